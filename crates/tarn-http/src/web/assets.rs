//! The static files, in the binary: `/-/static/{name}.{hash}.{ending}`. The name changes with the content, so they are kept for
//! good.

use std::{io::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::{error::ApiError, fallback::no_such_route};

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// One of them.
struct Asset {
    /// As templates call it.
    name: String,
    /// As clients call it.
    hashed: String,
    media_type: &'static str,
    content: Vec<u8>,
    /// The same, compressed once for all.
    compressed: Option<Vec<u8>>,
}

static ASSETS: LazyLock<Vec<Asset>> =
    LazyLock::new(|| Files::iter().filter_map(|name| Asset::of(&name)).collect());

impl Asset {
    fn of(name: &str) -> Option<Self> {
        let content = Files::get(name)?.data.into_owned();
        let (stem, ending) = name.rsplit_once('.')?;
        let media_type = match ending {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => return None,
        };
        let hash = Sha256::digest(&content);
        let hex: String = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(Self {
            hashed: format!("{stem}.{hex}.{ending}"),
            name: name.to_owned(),
            media_type,
            compressed: gzip(&content, Compression::best()),
            content,
        })
    }
}

/// The bytes as one gzip file. Writing into memory does not fail.
pub(super) fn gzip(content: &[u8], level: Compression) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 3), level);
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

/// The path of a static file, with its hash in it. A name without a file gives a path that is 404; a test looks at all that
/// templates use.
pub(super) fn path(name: &str) -> String {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    format!("/-/static/{}", found.map_or(name, |asset| &asset.hashed))
}

/// 200 with a static file.
pub(super) async fn show(
    Path(file): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(asset) = ASSETS.iter().find(|asset| asset.hashed == file) else {
        return Err(no_such_route(uri).await);
    };
    let accepted = headers.get(header::ACCEPT_ENCODING);
    let takes_gzip = accepted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let compressed = asset.compressed.as_ref().filter(|_| takes_gzip);
    let body = compressed.unwrap_or(&asset.content).clone();
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, asset.media_type);
    set(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    set(header::VARY, "Accept-Encoding");
    // An icon opened by itself runs nothing either.
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'");
    if compressed.is_some() {
        set(header::CONTENT_ENCODING, "gzip");
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_static_file_has_its_hash_in_its_path() {
        for name in ["style.css", "tarn.js", "icon.svg"] {
            let (stem, ending) = name.rsplit_once('.').unwrap();
            let path = path(name);
            let hash = path
                .strip_prefix(&format!("/-/static/{stem}."))
                .and_then(|rest| rest.strip_suffix(&format!(".{ending}")));
            let hash = hash.unwrap_or_else(|| panic!("{path}"));
            assert_eq!(hash.len(), 16);
            assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
