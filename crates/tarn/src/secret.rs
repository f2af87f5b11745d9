//! Secrets on their way in: from a variable, a file or standard input, never from an argument.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::failure::Failure;

/// The longest secret that is read, in bytes, its line feed included. Longer passwords are refused by the registry.
const MAX_BYTES: u64 = 4096;

/// A text that shows itself to nobody.
#[derive(Clone)]
pub(crate) struct Masked(String);

impl Masked {
    /// What stands for a secret where it would be shown.
    pub(crate) const MASK: &str = "(secret)";

    /// Wraps a secret.
    pub(crate) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads a file with one secret, blanks around it dropped. A file that everyone can read is refused.
    pub(crate) fn from_file(path: &Path) -> Result<Self, Failure> {
        let failure =
            |what: &str| Failure::usage(format!("{what} the secret key file {}", path.display()));
        let file = fs::File::open(path).map_err(|error| {
            failure("cannot open")
                .because(&error)
                .hint("check `secret-key-file`")
        })?;
        let metadata = file
            .metadata()
            .map_err(|error| failure("cannot look at").because(&error))?;
        if metadata.mode() & 0o007 != 0 {
            return Err(failure("will not use")
                .because(&io::Error::other("every user of this machine can open it"))
                .hint(format!("close it to others: chmod o= {}", path.display())));
        }
        let mut text = String::new();
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(|error| failure("cannot read").because(&error))?;
        if text.len() as u64 > MAX_BYTES || text.trim().is_empty() {
            return Err(failure("cannot use").because(&io::Error::other("it does not hold one key")).hint(
                "it has to hold 32 bytes in base64, as `head -c 32 /dev/urandom | base64` makes them",
            ));
        }
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

/// Reads a password: one line, whose end is cut off.
///
/// # Errors
///
/// When there is none, more than one line, or it is no text.
pub(crate) fn read_password(input: impl Read) -> Result<Masked, Failure> {
    const HINT: &str = "give it as one line, such as: printf '%s\\n' \"$PASSWORD\" | tarn …";
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Failure::new("cannot read the password from standard input").because(&error)
        })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!(
            "the password on standard input is longer than {MAX_BYTES} bytes"
        ))
        .hint("choose a shorter one"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage("the password on standard input is not UTF-8 text").hint(HINT)
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::usage("there is no password on standard input").hint(HINT));
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(Failure::usage("there is more than one line on standard input").hint(HINT));
    }
    Ok(Masked(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(
                read_password(input.as_bytes()).unwrap().reveal(),
                "correct horse"
            );
        }
        assert_eq!(read_password(" a ".as_bytes()).unwrap().reveal(), " a ");
    }

    #[test]
    fn what_is_not_one_line_is_refused() {
        for input in ["", "\n", "\r\n", "a\nb", "a\n\n", "a\0b"] {
            assert!(read_password(input.as_bytes()).is_err(), "{input:?}");
        }
        assert!(read_password(&[0xff][..]).is_err());
        assert!(read_password("a".repeat(5000).as_bytes()).is_err());
    }

    #[test]
    fn a_secret_masks_itself() {
        assert_eq!(
            format!("{:?}", Masked::new("hunter2".to_owned())),
            "(secret)"
        );
    }

    #[test]
    fn a_key_file_that_everyone_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "AAAA\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = Masked::from_file(&path).unwrap_err().to_string();
        assert!(
            refusal.contains("hint: close it to others: chmod o= "),
            "{refusal}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Masked::from_file(&path).unwrap().reveal(), "AAAA");
    }
}
