//! Which paths may stand in an archive.

use thiserror::Error;

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathProblem {
    /// No bytes.
    #[error("is empty")]
    Empty,
    /// Longer than the limit.
    #[error("is {length} bytes long; apk takes at most {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A byte below 0x20, or 0x7f.
    #[error("holds a control character")]
    ControlCharacter,
    /// A leading slash.
    #[error("is absolute; write paths without a leading slash")]
    Absolute,
    /// A `.` component.
    #[error(
        "has a `.` component, and apk ignores such files; write `usr/bin/x`, not `./usr/bin/x`"
    )]
    Dot,
    /// A `..` component.
    #[error("has a `..` component and could leave the root")]
    DotDot,
    /// Two slashes in a row.
    #[error("has an empty component (`//`)")]
    EmptyComponent,
    /// A slash at the end of what is no directory.
    #[error("ends in a slash, but is not a directory")]
    TrailingSlash,
}

/// Checks the path of an entry, by the rules of `apk_db_install_file` in `src/database.c`: apk calls others malicious and
/// leaves the file out. A directory may end in a slash, and may be `.` or `./` alone: the root itself, which apk skips.
pub fn check_path(path: &[u8], is_directory: bool, limit: usize) -> Result<(), PathProblem> {
    check_bytes(path, limit)?;
    if is_directory && (path == b"." || path == b"./") {
        return Ok(());
    }
    let trimmed = match path.strip_suffix(b"/") {
        Some(_) if !is_directory => return Err(PathProblem::TrailingSlash),
        Some(trimmed) => trimmed,
        None => path,
    };
    check_components(trimmed)
}

/// Checks the target of a hard link, which names another entry of the archive.
pub fn check_link_target(
    target: &[u8],
    is_hard_link: bool,
    limit: usize,
) -> Result<(), PathProblem> {
    check_bytes(target, limit)?;
    if is_hard_link {
        check_components(target)
    } else {
        Ok(())
    }
}

fn check_bytes(path: &[u8], limit: usize) -> Result<(), PathProblem> {
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    if path.len() > limit {
        return Err(PathProblem::TooLong {
            length: path.len(),
            limit,
        });
    }
    if path.iter().any(u8::is_ascii_control) {
        return Err(PathProblem::ControlCharacter);
    }
    Ok(())
}

fn check_components(path: &[u8]) -> Result<(), PathProblem> {
    if path.starts_with(b"/") {
        return Err(PathProblem::Absolute);
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" => return Err(PathProblem::EmptyComponent),
            b"." => return Err(PathProblem::Dot),
            b".." => return Err(PathProblem::DotDot),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (path, is_directory, expected) in [
            ("usr/bin/x", false, Ok(())),
            ("usr/bin/", true, Ok(())),
            ("usr", true, Ok(())),
            (".", true, Ok(())),
            ("./", true, Ok(())),
            (".dummy", false, Ok(())),
            ("a..b/..c/d..", false, Ok(())),
            ("", false, Err(PathProblem::Empty)),
            ("/", true, Err(PathProblem::EmptyComponent)),
            ("/etc/passwd", false, Err(PathProblem::Absolute)),
            ("../etc/passwd", false, Err(PathProblem::DotDot)),
            ("usr/../../etc", false, Err(PathProblem::DotDot)),
            ("usr/..", true, Err(PathProblem::DotDot)),
            ("./usr", true, Err(PathProblem::Dot)),
            (".", false, Err(PathProblem::Dot)),
            ("usr//bin", false, Err(PathProblem::EmptyComponent)),
            ("usr/bin//", true, Err(PathProblem::EmptyComponent)),
            ("usr/bin/", false, Err(PathProblem::TrailingSlash)),
            ("usr/\u{7f}", false, Err(PathProblem::ControlCharacter)),
            ("usr/a\nb", false, Err(PathProblem::ControlCharacter)),
            (
                "0123456789abcdefg",
                false,
                Err(PathProblem::TooLong {
                    length: 17,
                    limit: 16,
                }),
            ),
        ] {
            assert_eq!(
                check_path(path.as_bytes(), is_directory, 16),
                expected,
                "{path:?}"
            );
        }
    }

    #[test]
    fn a_symbolic_link_may_point_anywhere_a_hard_link_may_not() {
        assert_eq!(check_link_target(b"/../etc", false, 16), Ok(()));
        assert_eq!(
            check_link_target(b"a/../../etc", true, 16),
            Err(PathProblem::DotDot)
        );
        assert_eq!(
            check_link_target(b"/etc/passwd", true, 16),
            Err(PathProblem::Absolute)
        );
        assert_eq!(check_link_target(b"", false, 16), Err(PathProblem::Empty));
        assert_eq!(
            check_link_target(b"a\0b", false, 16),
            Err(PathProblem::ControlCharacter)
        );
    }
}
