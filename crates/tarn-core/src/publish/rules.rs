//! What this registry asks of a package beyond that apk can read it.

use apk::facts::{Format, PackageFacts};

/// A rule that a package broke. The text is for the person who built it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The file cannot be stored under its name everywhere.
    #[error(
        "name and version: the file name `{file_name}` is longer than {MAX_FILE_NAME} bytes; shorten one of them"
    )]
    FileName {
        /// The name that is too long.
        file_name: String,
    },
}

/// The longest file name, in bytes: 255 is what common file systems hold, and apk's cache adds nine (a dot and the
/// first eight digits of the identity; apk-tools `src/context.c`, `apk_ctx_init`).
const MAX_FILE_NAME: usize = 255 - 9;

/// Checks the rules.
///
/// # Errors
///
/// The first rule that the package breaks.
pub fn check(facts: &PackageFacts) -> Result<(), RuleError> {
    let file_name = facts.file_name();
    if file_name.len() > MAX_FILE_NAME {
        return Err(RuleError::FileName { file_name });
    }
    Ok(())
}

/// What the publisher of a package should know although it is taken: one line. `None`: nothing.
pub fn notice(facts: &PackageFacts) -> Option<String> {
    let (name, version) = (&facts.name, &facts.version);
    if version.is_orderable() {
        // No apk 2 reads a v3 package.
        let for_apk_3_only = version.as_str().contains('~') && facts.format != Format::V3;
        return for_apk_3_only.then(|| {
            format!(
                "{name} is published, but only apk 3 can order its version `{version}`: clients with apk 2 may not upgrade to it or from it"
            )
        });
    }
    let instead = version.suggestion().map_or_else(String::new, |instead| {
        format!("; write `{instead}` instead")
    });
    let apk_2 = match facts.format {
        Format::V2 { .. } => "apk 2 may prefer it to the final release, ",
        Format::V3 => "",
    };
    Some(format!(
        "{name} is published, but apk can't order its version `{version}`: {apk_2}clients may not upgrade to it or from it, and can't ask for it by its version{instead}"
    ))
}
