//! Where a forge keeps the bytes of packages: `getStorage` in `modules/setting/storage.go`, for the section `packages`.

use std::path::{Path, PathBuf};

use tarn_base::secret::Secret;
use tarn_store::blobs::{S3Credentials, S3Settings};

use super::{AppIni, is_true};

/// Where the forge keeps the bytes of packages.
#[derive(Debug, Clone)]
pub enum Storage {
    /// A folder.
    Local(PathBuf),
    /// An S3 store, which the forges call `minio`.
    S3(Box<S3Settings>),
    /// Something else, or a store that can't be used: why, in words for the report.
    Elsewhere(String),
}

const OWN: &str = "packages";
const NAMED: &str = "storage.packages";
const OF_ALL: &str = "storage";

/// The section that says where, and the one whose values win over its own.
struct Sections {
    target: String,
    overriding: Option<&'static str>,
}

impl AppIni {
    pub(super) fn storage(&self, data: &Path) -> Storage {
        let sections = self.sections();
        let below = sections.target.strip_prefix("storage.");
        let kinds = ["local", "minio", "azureblob"];
        let kind = self
            .kind(&sections.target)
            .or_else(|| Some(below.filter(|name| kinds.contains(name))?.to_owned()))
            .or_else(|| below.and_then(|_| self.kind(OF_ALL)));
        match kind.as_deref().unwrap_or("local") {
            "local" => Storage::Local(self.folder(&sections, data)),
            "minio" => match self.s3(&sections) {
                Ok(settings) => Storage::S3(Box::new(settings)),
                Err(why) => Storage::Elsewhere(format!("the forge keeps them in S3, and {why}")),
            },
            other => Storage::Elsewhere(format!("the forge keeps them in `{other}`")),
        }
    }

    fn kind(&self, section: &str) -> Option<String> {
        self.value(section, "STORAGE_TYPE")
    }

    fn sections(&self) -> Sections {
        let has_own = self.has(OWN);
        let of_kind = |kind: &str| {
            let section = format!("storage.{kind}");
            self.has(&section).then_some(section)
        };
        // A section below another one has its values, too (`Section.Key` of the library).
        let named = || self.kind(NAMED).or_else(|| self.kind(OF_ALL));
        let target = match self.kind(OWN).filter(|_| has_own) {
            Some(kind) => of_kind(&kind).unwrap_or_else(|| OWN.to_owned()),
            None if self.has(NAMED) => match named() {
                Some(kind) => of_kind(&kind).unwrap_or_else(|| NAMED.to_owned()),
                None if self.value(NAMED, "PATH").is_none() => OF_ALL.to_owned(),
                None => NAMED.to_owned(),
            },
            None => OF_ALL.to_owned(),
        };
        let overriding = match target.as_str() {
            OWN => None,
            _ if has_own => Some(OWN),
            NAMED => None,
            _ => self.has(NAMED).then_some(NAMED),
        };
        Sections { target, overriding }
    }

    /// The value of a key in the section that wins over the target.
    fn overridden(&self, sections: &Sections, key: &str) -> Option<String> {
        let section = sections.overriding?;
        self.value(section, key)
    }

    fn folder(&self, sections: &Sections, data: &Path) -> PathBuf {
        let path = self.value(&sections.target, "PATH");
        let usual = match &path {
            None => data.join(OWN),
            Some(path) if sections.target == OF_ALL => data.join(path).join(OWN),
            Some(path) => data.join(path),
        };
        match (self.overridden(sections, "PATH"), path) {
            (None, _) => usual,
            (Some(own_path), Some(path)) => data.join(path).join(own_path),
            (Some(own_path), None) => data.join(own_path),
        }
    }

    /// The store, as a URL of this program's own would say it, and its key.
    fn s3(&self, sections: &Sections) -> Result<S3Settings, String> {
        let target = sections.target.as_str();
        let inherits = target.starts_with("storage.");
        let value = |key: &str| {
            let own = self.value(target, key);
            own.or_else(|| self.value(OF_ALL, key).filter(|_| inherits))
        };
        let base = value("MINIO_BASE_PATH").unwrap_or_default();
        let usual = match base.trim_end_matches('/') {
            "" => OWN.to_owned(),
            base if target == OF_ALL => format!("{base}/{OWN}"),
            base => base.to_owned(),
        };
        let prefix = self
            .overridden(sections, "MINIO_BASE_PATH")
            .unwrap_or(usual);
        let bucket = self
            .overridden(sections, "MINIO_BUCKET")
            .or_else(|| value("MINIO_BUCKET"))
            .unwrap_or_else(|| "gitea".to_owned());
        let region = value("MINIO_LOCATION").unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = value("MINIO_ENDPOINT").unwrap_or_else(|| "localhost:9000".to_owned());
        let is_on = |key: &str| value(key).is_some_and(|value| is_true(&value));
        let mut url = format!("s3://{bucket}/{}?region={region}", prefix.trim_matches('/'));
        let is_amazon = endpoint.ends_with(".amazonaws.com");
        if !is_amazon {
            let scheme = if is_on("MINIO_USE_SSL") {
                "https"
            } else {
                "http"
            };
            url.push_str(&format!("&endpoint={scheme}://{endpoint}"));
        }
        match value("MINIO_BUCKET_LOOKUP_TYPE").as_deref() {
            Some("dns") => url.push_str("&path-style=false"),
            Some("path") => url.push_str("&path-style=true"),
            _ => {}
        }
        if is_on("MINIO_INSECURE_SKIP_VERIFY") {
            return Err(
                "its certificate is not to be verified (MINIO_INSECURE_SKIP_VERIFY)".to_owned(),
            );
        }
        let mut settings = S3Settings::parse(&url)
            .map_err(|error| format!("its settings can't be used here: {error}"))?;
        let (Some(access_key_id), Some(secret)) = (
            value("MINIO_ACCESS_KEY_ID"),
            value("MINIO_SECRET_ACCESS_KEY"),
        ) else {
            return Err("app.ini has no key for it (MINIO_ACCESS_KEY_ID)".to_owned());
        };
        settings.credentials = Some(S3Credentials {
            access_key_id,
            secret_access_key: Secret::new(secret),
            session_token: None,
        });
        Ok(settings)
    }
}
