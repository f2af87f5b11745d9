//! Secrets on their way in: from a variable, a file or standard input, never from an argument.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use rustix::{
    io::Errno,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr},
};

use tarn_base::secret::Secret;

use crate::{failure::Failure, output};

/// The longest secret that is read, in bytes, its line feed included. Longer passwords are refused by the registry.
const MAX_BYTES: u64 = 4096;

/// What stands for a secret where it would be shown.
pub(crate) const MASK: &str = "(secret)";

/// Reads a file with one secret, spaces around it dropped. A file that everyone can read is refused.
pub(crate) fn from_file(path: &Path) -> Result<Secret, Failure> {
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
    Ok(Secret::new(text.trim().to_owned()))
}

/// The password on standard input, when `--password-stdin` says that it is there. `command` is what the hint shows, from
/// `tarn` on.
///
/// # Errors
///
/// When the flag is missing, or there is no single line of text.
pub(crate) fn password(from_stdin: bool, command: &str) -> Result<Secret, Failure> {
    let hint =
        format!("give it as one line: printf '%s\\n' \"$PASSWORD\" | {command} --password-stdin");
    if from_stdin {
        return line("password").map_err(|failure| failure.hint(hint));
    }
    if io::stdin().is_terminal() {
        return typed_twice();
    }
    Err(Failure::usage("no password was given").hint(hint))
}

/// A new password that is typed at a terminal, which does not show it. It is asked for twice, since a slip does not show.
fn typed_twice() -> Result<Secret, Failure> {
    let terminal = io::stdin();
    let _hidden = Hidden::begin(&terminal)?;
    let mut input = terminal.lock();
    output::prompt("new password: ");
    let first = typed(&mut input, "password")?;
    output::prompt("the same again: ");
    let second = typed(&mut input, "password")?;
    if first.expose() != second.expose() {
        return Err(Failure::usage("the two passwords are not the same").hint("type them again"));
    }
    Ok(first)
}

/// While it lives, the terminal shows nothing that is typed, and Ctrl-C is read as a byte: a signal would end the command before the terminal
/// is as it was.
struct Hidden<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a impl AsFd) -> Result<Self, Failure> {
        let terminal = terminal.as_fd();
        let failure = |error: Errno| {
            Failure::new("cannot hide what is typed at this terminal")
                .because(&io::Error::from(error))
        };
        let before = tcgetattr(terminal).map_err(failure)?;
        let mut modes = before.clone();
        let line_editing = LocalModes::ICANON | LocalModes::ISIG;
        modes.local_modes.remove(LocalModes::ECHO | line_editing);
        // A read returns with the first byte.
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Now, &modes).map_err(failure)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// A secret on standard input, up to its end, or up to Enter where it is typed; `what` is what to call it.
///
/// # Errors
///
/// When there is no single line of text.
pub(crate) fn line(what: &str) -> Result<Secret, Failure> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line_from(input.lock(), what);
    }
    let _hidden = Hidden::begin(&input)?;
    output::prompt(&format!("{what}: "));
    typed(input.lock(), what)
}

/// What is typed up to Enter. Backspace, Ctrl-U and Ctrl-D do what they do where the terminal itself edits the line.
fn typed(input: impl BufRead, what: &str) -> Result<Secret, Failure> {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const BACKSPACE: [u8; 2] = [0x08, 0x7f];
    const CTRL_U: u8 = 0x15;
    let mut bytes = Vec::new();
    for byte in input.bytes() {
        match byte.map_err(|error| unreadable(what, &error))? {
            b'\n' | b'\r' | CTRL_D => break,
            CTRL_C => {
                output::prompt("\n");
                return Err(Failure::interrupted());
            }
            CTRL_U => bytes.clear(),
            // The last character, with all bytes that UTF-8 has for it.
            byte if BACKSPACE.contains(&byte) => {
                while bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte => bytes.push(byte),
        }
        if bytes.len() as u64 > MAX_BYTES {
            break;
        }
    }
    output::prompt("\n");
    one_line(bytes, what)
}

fn line_from(input: impl Read, what: &str) -> Result<Secret, Failure> {
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(what, &error))?;
    one_line(bytes, what)
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read the {what} from standard input")).because(error)
}

fn one_line(bytes: Vec<u8>, what: &str) -> Result<Secret, Failure> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!(
            "the {what} on standard input is longer than {MAX_BYTES} bytes"
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("the {what} on standard input is not UTF-8 text")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::usage(format!(
            "there is no {what} on standard input"
        )));
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(Failure::usage(
            "there is more than one line on standard input",
        ));
    }
    Ok(Secret::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use std::os::unix::fs::PermissionsExt;

    fn password_from(input: impl Read) -> Result<Secret, Failure> {
        line_from(input, "password")
    }

    #[test]
    fn a_password_that_is_typed_ends_with_enter_and_can_be_corrected() {
        for (keys, password) in [
            ("correct horse\r", "correct horse"),
            ("correct hör\x7f\x08orse\nnext line\n", "correct horse"),
            ("\x7fslip\x15correct horse\x04", "correct horse"),
        ] {
            let read = typed(keys.as_bytes(), "password").unwrap();
            assert_eq!(read.expose(), password, "{keys:?}");
        }
        assert!(typed("\n".as_bytes(), "password").is_err());
        let interrupted = typed("correct\x03".as_bytes(), "password").unwrap_err();
        assert_eq!(interrupted.exit(), Exit::Interrupted);
    }

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(
                password_from(input.as_bytes()).unwrap().expose(),
                "correct horse"
            );
        }
        assert_eq!(password_from(" a ".as_bytes()).unwrap().expose(), " a ");
    }

    #[test]
    fn what_is_not_one_line_is_refused() {
        for input in ["", "\n", "\r\n", "a\nb", "a\n\n", "a\0b"] {
            assert!(password_from(input.as_bytes()).is_err(), "{input:?}");
        }
        assert!(password_from(&[0xff][..]).is_err());
        assert!(password_from("a".repeat(5000).as_bytes()).is_err());
    }

    #[test]
    fn a_key_file_that_everyone_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "AAAA\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = from_file(&path).unwrap_err().to_string();
        assert!(
            refusal.contains("hint: close it to others: chmod o= "),
            "{refusal}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(from_file(&path).unwrap().expose(), "AAAA");
    }
}
