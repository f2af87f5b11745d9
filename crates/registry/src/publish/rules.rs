//! What this registry refuses although each value by itself is one that apk reads.

use apk::v2::package::Package;

/// A rule that a package broke. The text is for the person who built it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The file names of two packages would be the same.
    #[error("the file name `{file_name}` is longer than {MAX_FILE_NAME} bytes; shorten pkgname or pkgver")]
    FileName {
        /// The name that is too long.
        file_name: String,
    },
}

/// The longest file name, in bytes: what common file systems, and so apk's cache, hold.
const MAX_FILE_NAME: usize = 255;

/// Checks the rules of this registry.
///
/// # Errors
///
/// The first rule that `package` breaks.
pub(super) fn check(package: &Package) -> Result<(), RuleError> {
    let file_name = format!("{}-{}.apk", package.info.name, package.info.version);
    // apk's cache puts eight digits of the identity and a dot into the name (`src/package.c`, `apk_pkg_subst`).
    if file_name.len() + 9 > MAX_FILE_NAME {
        return Err(RuleError::FileName { file_name });
    }
    Ok(())
}
