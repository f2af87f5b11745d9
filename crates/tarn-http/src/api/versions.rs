//! Versions of packages and their files, as JSON has them.

use apk::{dependency::Dependency, limits::Limits, package_info::PackageInfo, v2::pkginfo};
use serde::Serialize;
use utoipa::ToSchema;

use super::{moment::Moment, owners::Owner};
use crate::error::ApiError;
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{CatalogFile, CatalogVersion};

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
    /// When it came.
    created_at: Moment,
    /// What its `.PKGINFO` says.
    metadata: Metadata,
}

impl PackageFile {
    /// The entry of `file`, which belongs to `owner`.
    pub(crate) fn new(owner: &str, file: CatalogFile) -> Result<Self, ApiError> {
        // It was read when it came in; only what was put into the database by other hands can fail here.
        let info =
            pkginfo::parse(file.pkginfo.as_bytes(), &Limits::for_stored()).map_err(|error| {
                ApiError::Internal(
                    format!("the PKGINFO of package file {:?}: {error}", file.id).into(),
                )
            })?;
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
            created_at: file.created_at.into(),
            metadata: info.into(),
        })
    }
}

/// What a package says of itself, in the words of `.PKGINFO`. A text that it does not have is empty.
#[derive(Serialize, ToSchema)]
struct Metadata {
    /// `pkgdesc`.
    description: String,
    /// `url`.
    url: String,
    /// `license`.
    license: String,
    /// `origin`: the source package.
    origin: String,
    /// `maintainer`.
    maintainer: String,
    /// `packager`.
    packager: String,
    /// `commit`: of the source tree.
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
    /// `triggers`: the directories whose change runs the trigger script.
    triggers: Vec<String>,
    /// `datahash`: SHA-256 of the data section, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    datahash: String,
}

impl From<PackageInfo> for Metadata {
    fn from(info: PackageInfo) -> Self {
        let build_date = i64::try_from(info.build_date).ok().filter(|date| *date > 0);
        Self {
            description: info.description,
            url: info.url,
            license: info.license,
            origin: info.origin,
            maintainer: info.maintainer,
            packager: info.packager,
            commit: info.commit,
            build_date: build_date.map(|date| Timestamp::from_seconds(date).into()),
            installed_size: info.installed_size,
            provider_priority: info.provider_priority,
            replaces_priority: info.replaces_priority,
            depends: texts(&info.depends),
            provides: texts(&info.provides),
            install_if: texts(&info.install_if),
            replaces: texts(&info.replaces),
            triggers: info.triggers,
            datahash: info.data_hash.to_string(),
        }
    }
}

fn texts(dependencies: &[Dependency]) -> Vec<String> {
    dependencies.iter().map(ToString::to_string).collect()
}
