//! Where an S3 store is: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`.

use std::{fmt, time::Duration};

use tarn_base::secret::Secret;
use url::Url;

/// An S3 store, as the settings name it. It shows as the URL, which holds no secret.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What all names of objects begin with, without `/` at either end; may be empty.
    pub prefix: String,
    /// The address of the store. `None`: Amazon's, of that region.
    pub endpoint: Option<Url>,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the bucket is the first segment of the path, and not a part of the host name.
    pub is_path_style: bool,
    /// Where clients reach the store. With it, downloads without credentials are redirected there.
    pub public_endpoint: Option<Url>,
    /// The credentials.
    pub credentials: Option<S3Credentials>,
    /// How patient the client is.
    pub limits: S3Limits,
}

/// A key of an S3 store.
#[derive(Debug, Clone)]
pub struct S3Credentials {
    /// Its name (`AWS_ACCESS_KEY_ID`).
    pub access_key_id: String,
    /// Its secret (`AWS_SECRET_ACCESS_KEY`).
    pub secret_access_key: Secret,
    /// What temporary keys have besides (`AWS_SESSION_TOKEN`).
    pub session_token: Option<Secret>,
}

/// How patient the client of an S3 store is.
#[derive(Debug, Clone)]
pub struct S3Limits {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes, in either direction.
    pub stall: Duration,
    /// For the answer to an upload once all its bytes are sent.
    pub answer: Duration,
    /// How often a request is tried again that the store did not answer, or answered with a fault of its own.
    pub retries: usize,
    /// How long a URL is good to which a download was redirected.
    pub redirect: Duration,
}

impl Default for S3Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(20),
            answer: Duration::from_secs(120),
            retries: 3,
            redirect: Duration::from_secs(15 * 60),
        }
    }
}

/// Why a URL is none of an S3 store. It does not repeat what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum S3UrlError {
    /// It is not a URL.
    #[error(
        "this is not a URL like s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-1"
    )]
    NoUrl,
    /// It names no bucket.
    #[error("the URL names no bucket that there can be: write s3://bucket/prefix")]
    Bucket,
    /// It holds credentials.
    #[error(
        "credentials do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Credentials,
    /// The prefix has characters that stores treat differently.
    #[error("the prefix may have letters, digits, `.`, `_`, `-` and single `/` only")]
    Prefix,
    /// A parameter that Tarn does not know.
    #[error(
        "`{0}` is not a parameter of an S3 store; its parameters are endpoint, region, path-style and public-endpoint"
    )]
    Unknown(String),
    /// A parameter is there twice.
    #[error("the parameter `{0}` is there twice")]
    Twice(&'static str),
    /// A parameter makes no sense.
    #[error("`{0}` has to be a URL with http:// or https:// and a host, and nothing else")]
    Endpoint(&'static str),
    /// A parameter makes no sense.
    #[error("`path-style` is `true` or `false`")]
    PathStyle,
    /// A parameter makes no sense.
    #[error("`region` has letters, digits and `-` only")]
    Region,
}

impl S3Settings {
    /// Reads a URL. Nothing comes from the environment.
    ///
    /// # Errors
    ///
    /// When it is no such URL, or has a parameter that is not known.
    pub fn parse(text: &str) -> Result<Self, S3UrlError> {
        let url = Url::parse(text).map_err(|_| S3UrlError::NoUrl)?;
        if url.scheme() != "s3" || url.fragment().is_some() || url.port().is_some() {
            return Err(S3UrlError::NoUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(S3UrlError::Credentials);
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if bucket.is_empty() || bucket.len() > 63 || !is_plain(&bucket) {
            return Err(S3UrlError::Bucket);
        }
        let prefix = url.path().trim_matches('/').to_owned();
        let is_segment = |text: &str| !text.is_empty() && !text.starts_with('.') && is_plain(text);
        if !prefix.is_empty() && !prefix.split('/').all(is_segment) {
            return Err(S3UrlError::Prefix);
        }
        let given = Given::read(&url)?;
        let endpoint = given.endpoint.map(|text| endpoint("endpoint", &text));
        let endpoint = endpoint.transpose()?;
        let public_endpoint = given
            .public
            .map(|text| self::endpoint("public-endpoint", &text));
        let region = given.region.unwrap_or_else(|| "us-east-1".to_owned());
        let is_region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if region.is_empty() || !region.bytes().all(is_region) {
            return Err(S3UrlError::Region);
        }
        let is_path_style = match given.path_style.as_deref() {
            Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(S3UrlError::PathStyle),
            // Certificates of Amazon's are for one label in front of the host name.
            None => endpoint.is_some() || bucket.contains('.'),
        };
        Ok(Self {
            bucket,
            prefix,
            endpoint,
            region,
            is_path_style,
            public_endpoint: public_endpoint.transpose()?,
            credentials: None,
            limits: S3Limits::default(),
        })
    }

    /// The name of an object, below the prefix.
    pub(super) fn name(&self, rest: &str) -> String {
        match self.prefix.as_str() {
            "" => rest.to_owned(),
            prefix => format!("{prefix}/{rest}"),
        }
    }

    /// The URL that requests for the bucket go to, at that endpoint.
    pub(super) fn bucket_url(&self, endpoint: Option<&Url>) -> String {
        let (scheme, host) = match endpoint {
            None => ("https", format!("s3.{}.amazonaws.com", self.region)),
            Some(url) => (
                url.scheme(),
                match (url.host_str().unwrap_or_default(), url.port()) {
                    (host, None) => host.to_owned(),
                    (host, Some(port)) => format!("{host}:{port}"),
                },
            ),
        };
        match self.is_path_style {
            true => format!("{scheme}://{host}"),
            false => format!("{scheme}://{}.{host}", self.bucket),
        }
    }
}

impl fmt::Display for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        match self.prefix.as_str() {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

/// The parameters, as written.
#[derive(Default)]
struct Given {
    endpoint: Option<String>,
    region: Option<String>,
    path_style: Option<String>,
    public: Option<String>,
}

impl Given {
    fn read(url: &Url) -> Result<Self, S3UrlError> {
        let mut given = Self::default();
        for (name, value) in url.query_pairs() {
            let (name, field) = match &*name {
                "endpoint" => ("endpoint", &mut given.endpoint),
                "region" => ("region", &mut given.region),
                "path-style" => ("path-style", &mut given.path_style),
                "public-endpoint" => ("public-endpoint", &mut given.public),
                other => return Err(S3UrlError::Unknown(other.chars().take(40).collect())),
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(S3UrlError::Twice(name));
            }
        }
        Ok(given)
    }
}

fn endpoint(name: &'static str, text: &str) -> Result<Url, S3UrlError> {
    let url = Url::parse(text).map_err(|_| S3UrlError::Endpoint(name))?;
    let is_plain = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err(S3UrlError::Endpoint(name));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_store_is() {
        let amazon = S3Settings::parse("s3://packages?region=eu-central-1").unwrap();
        assert_eq!(amazon.to_string(), "s3://packages");
        assert_eq!(
            amazon.bucket_url(None),
            "https://packages.s3.eu-central-1.amazonaws.com"
        );
        assert_eq!(amazon.name("blobs/ab"), "blobs/ab");
        let own = "s3://packages/a/b/?endpoint=http://10.0.0.1:3900&region=garage&public-endpoint=https://dl.example.org";
        let own = S3Settings::parse(own).unwrap();
        assert_eq!(own.to_string(), "s3://packages/a/b");
        assert_eq!(
            own.bucket_url(own.endpoint.as_ref()),
            "http://10.0.0.1:3900"
        );
        assert_eq!(own.name("blobs/ab"), "a/b/blobs/ab");
        assert_eq!(own.region, "garage");
        let public = own.public_endpoint.as_ref();
        assert_eq!(own.bucket_url(public), "https://dl.example.org");
        let hosts = "s3://packages?endpoint=https://s3.example.org&path-style=false";
        let hosts = S3Settings::parse(hosts).unwrap();
        assert_eq!(
            hosts.bucket_url(hosts.endpoint.as_ref()),
            "https://packages.s3.example.org"
        );
    }

    #[test]
    fn what_is_no_store_is_refused_and_no_secret_repeated() {
        for (text, expected) in [
            ("packages", S3UrlError::NoUrl),
            ("s3://packages#x", S3UrlError::NoUrl),
            ("s3://packages:80/", S3UrlError::NoUrl),
            ("s3:///prefix", S3UrlError::Bucket),
            ("s3://pack%20ages/", S3UrlError::Bucket),
            ("s3://key:hunter2@packages", S3UrlError::Credentials),
            ("s3://key@packages", S3UrlError::Credentials),
            ("s3://:hunter2@packages", S3UrlError::Credentials),
            ("s3://packages/a//b", S3UrlError::Prefix),
            ("s3://packages/.b", S3UrlError::Prefix),
            ("s3://packages/%41", S3UrlError::Prefix),
            (
                "s3://packages?Region=x",
                S3UrlError::Unknown("Region".to_owned()),
            ),
            (
                "s3://packages?region=a&region=b",
                S3UrlError::Twice("region"),
            ),
            ("s3://packages?region=", S3UrlError::Region),
            ("s3://packages?path-style=yes", S3UrlError::PathStyle),
            (
                "s3://packages?endpoint=ftp://a",
                S3UrlError::Endpoint("endpoint"),
            ),
            (
                "s3://packages?endpoint=http://a/b",
                S3UrlError::Endpoint("endpoint"),
            ),
            (
                "s3://packages?endpoint=http://u:hunter2@a",
                S3UrlError::Endpoint("endpoint"),
            ),
            (
                "s3://packages?public-endpoint=a",
                S3UrlError::Endpoint("public-endpoint"),
            ),
        ] {
            let refused = S3Settings::parse(text).unwrap_err();
            assert_eq!(refused, expected, "{text}");
            assert!(!refused.to_string().contains("hunter2"), "{text}");
        }
    }
}
