//! Versions of packages and their files, as JSON has them.

use apk::facts::{Format, PackageFacts};
use serde::Serialize;
use utoipa::ToSchema;

use super::{moment::Moment, owners::Owner};
use crate::error::ApiError;
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{CatalogFile, CatalogVersion, PackageSigner};

/// The longest text that is looked for, in characters.
pub(crate) const MAX_TEXT: usize = 100;

/// Refuses a text to look for that is too long.
pub(crate) fn check_text(parameter: &str, text: &str) -> Result<(), ApiError> {
    if text.chars().count() > MAX_TEXT {
        return Err(ApiError::BadRequest(format!(
            "`{parameter}` is too long; give at most {MAX_TEXT} characters"
        )));
    }
    Ok(())
}

/// One version of a package, whatever the repositories and architectures of its files; with the field names of Forgejo
/// and Gitea. `repository` and `html_url` of theirs are left out: there is no source repository here.
#[derive(Serialize, ToSchema)]
pub(crate) struct Package {
    /// Which one. Never given out twice.
    #[schema(example = 311)]
    id: i64,
    /// Whose.
    owner: Owner,
    /// Who uploaded its first file; null where that is not known, or the caller may not know of them.
    creator: Option<Owner>,
    /// Always `alpine`.
    #[serde(rename = "type")]
    #[schema(example = "alpine", pattern = "^alpine$")]
    kind: &'static str,
    /// The package's name.
    #[schema(example = "hello")]
    name: String,
    /// The version, as written in the package.
    #[schema(example = "1.0-r0")]
    version: String,
    /// What the file that came last says of itself.
    #[schema(example = "Size optimized toolbox of many common UNIX utilities")]
    description: String,
    /// How many files it has.
    #[schema(minimum = 1, example = 2)]
    files: u64,
    /// When its first file came.
    created_at: Moment,
}

impl From<CatalogVersion> for Package {
    fn from(version: CatalogVersion) -> Self {
        Self {
            id: version.id,
            owner: version.owner.into(),
            creator: version.creator.map(Owner::from),
            kind: "alpine",
            name: version.name.as_str().to_owned(),
            version: version.version.as_str().to_owned(),
            description: version.description,
            files: version.files,
            created_at: version.created_at.into(),
        }
    }
}

/// One file, with the field names of Forgejo and Gitea where they have one. Their `md5`, `sha1` and `sha512` are left out:
/// the server keeps only the SHA-256 of a file.
#[derive(Serialize, ToSchema)]
pub(crate) struct PackageFile {
    /// Which one. Never given out twice.
    #[schema(example = 1021)]
    id: i64,
    /// The name of the file.
    #[schema(example = "hello-1.0-r0.apk")]
    name: String,
    /// Bytes of the file.
    #[schema(example = 509_600)]
    size: u64,
    /// The same, as Forgejo and Gitea before 1.24 spell it.
    #[serde(rename = "Size")]
    #[schema(example = 509_600)]
    size_of_the_forges: u64,
    /// SHA-256 of the file, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// Its branch.
    #[schema(example = "v3.23")]
    branch: String,
    /// Its repository.
    #[schema(example = "main")]
    repository: String,
    /// The package's own architecture.
    #[schema(example = "x86_64")]
    architecture: String,
    /// The path under which this server has it.
    #[schema(example = "/api/packages/alice/alpine/v3.23/main/x86_64/hello-1.0-r0.apk")]
    path: String,
    /// The format: `v2` (gzip and tar) or `v3` (ADB). An `APKINDEX.tar.gz` lists those of v2 only.
    #[schema(example = "v2", pattern = "^v[23]$")]
    format: &'static str,
    /// What apk checks a download with: of v2 `Q1` and the SHA-1 of the control section in base64, of v3 the SHA-256 of the ADB
    /// block in hexadecimal.
    #[schema(example = "Q19UI7UxyiUywG6aew9c3lCBPshsE=")]
    identity: String,
    /// The signatures that the package itself has, in the order of the file. Clients go by that of the index.
    signatures: Vec<PackageSignature>,
    /// When it came.
    created_at: Moment,
    /// What it says of itself: of v2 in its `.PKGINFO`.
    metadata: Metadata,
}

/// A signature that a package itself has.
#[derive(Serialize, ToSchema)]
struct PackageSignature {
    /// `RSA`, `RSA256` and the like in v2, the hash in v3.
    #[schema(example = "RSA256")]
    algorithm: String,
    /// The file name of the key in v2, its identifier in v3.
    #[schema(example = "alice-5f3c.rsa.pub")]
    key: String,
    /// The owner's key that made it; null when it is by none that the owner had when the package came.
    verified_by: Option<String>,
}

impl From<PackageSigner> for PackageSignature {
    fn from(signer: PackageSigner) -> Self {
        let PackageSigner {
            algorithm,
            key,
            verified_by,
        } = signer;
        Self {
            algorithm,
            key,
            verified_by,
        }
    }
}

impl PackageFile {
    /// The entry of `file`, which belongs to `owner`.
    pub(crate) fn new(owner: &str, file: CatalogFile) -> Result<Self, ApiError> {
        // Only what was put into the database by other hands can fail here.
        let wrong =
            |error| ApiError::Internal(format!("package file {:?}: {error}", file.id).into());
        let facts = file.facts.read().map_err(wrong)?;
        let signers = file.signers.read().map_err(wrong)?;
        Ok(Self {
            id: file.id.number(),
            path: format!(
                "/api/packages/{owner}/alpine/{}/{}/{}/{}",
                file.branch, file.repository, file.arch, file.file_name
            ),
            name: file.file_name,
            size: file.size,
            size_of_the_forges: file.size,
            sha256: file.sha256.to_string(),
            branch: file.branch.as_str().to_owned(),
            repository: file.repository.as_str().to_owned(),
            architecture: file.arch.as_str().to_owned(),
            format: file.format.as_str(),
            identity: file.identity.to_string(),
            signatures: signers.into_iter().map(PackageSignature::from).collect(),
            created_at: file.created_at.into(),
            metadata: facts.into(),
        })
    }
}

/// What a package says of itself. A text that it does not have is empty, and what its format has not is empty, 0 or null.
#[derive(Serialize, ToSchema)]
struct Metadata {
    /// `pkgdesc`, in v3 `description`.
    description: String,
    /// `url`.
    url: String,
    /// `license`.
    license: String,
    /// `origin`: the source package.
    origin: String,
    /// `maintainer`.
    maintainer: String,
    /// `packager`. Never in v3.
    packager: String,
    /// `commit`: of the source tree; in v3 `repo-commit`, in hexadecimal.
    commit: String,
    /// `builddate`; null when it does not say.
    build_date: Option<Moment>,
    /// `size`: bytes on disk once installed.
    installed_size: u64,
    /// `provider_priority`.
    provider_priority: u64,
    /// `replaces_priority`.
    replaces_priority: u64,
    /// Every `depend`.
    depends: Vec<String>,
    /// Every `provides`.
    provides: Vec<String>,
    /// `install_if`.
    install_if: Vec<String>,
    /// Every `replaces`.
    replaces: Vec<String>,
    /// `recommends`. Only in v3.
    recommends: Vec<String>,
    /// `layer`: 0 is the root file system. Only in v3.
    layer: u64,
    /// `tags`. Only in v3.
    tags: Vec<String>,
    /// `triggers`: the directories whose change runs the trigger script.
    triggers: Vec<String>,
    /// The scripts that it brings.
    #[schema(example = json!(["post-install"]))]
    scripts: Vec<String>,
    /// `datahash`: SHA-256 of the data section, in hexadecimal. Null in v3, which has none.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    datahash: Option<String>,
}

impl From<PackageFacts> for Metadata {
    fn from(facts: PackageFacts) -> Self {
        // Taken apart without `..`: a new field has to be thought of here.
        let PackageFacts {
            format,
            name: _,
            version: _,
            arch: _,
            description,
            url,
            license,
            origin,
            maintainer,
            packager,
            commit,
            build_date,
            installed_size,
            provider_priority,
            replaces_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
            triggers,
            scripts,
        } = facts;
        let build_date = i64::try_from(build_date).ok().filter(|date| *date > 0);
        Self {
            description,
            url,
            license,
            origin,
            maintainer,
            packager,
            commit,
            build_date: build_date.map(|date| Timestamp::from_seconds(date).into()),
            installed_size,
            provider_priority,
            replaces_priority,
            depends: texts(&depends),
            provides: texts(&provides),
            install_if: texts(&install_if),
            replaces: texts(&replaces),
            recommends: texts(&recommends),
            layer,
            tags,
            triggers,
            scripts: texts(&scripts),
            datahash: match format {
                Format::V2 { data_hash } => Some(data_hash.to_string()),
                Format::V3 => None,
            },
        }
    }
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}
