//! Who asks: a token or a password, from the URL, a variable, a file or `.netrc`; never from an argument of its own.

use std::{
    env, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tarn_base::secret::Secret;
use tarn_net::Credentials;

use super::{ConnectArguments, netrc, place::OwnerPlace};
use crate::failure::Failure;

/// The variable that holds a token.
pub(crate) const TOKEN_VARIABLE: &str = "TARN_TOKEN";

/// The largest file with a secret that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// What to send to the server of `place`; `None` where nothing is said anywhere.
///
/// # Errors
///
/// When a token or a file that was named cannot be read. A `.netrc` that is not there is none.
pub(crate) fn find(
    arguments: &ConnectArguments,
    place: &OwnerPlace,
) -> Result<Option<Credentials>, Failure> {
    match place.credentials() {
        Some(credentials) => Ok(Some(credentials.clone())),
        None => find_for_host(arguments, place.host()),
    }
}

/// The same for a host, where the URL says nothing.
///
/// # Errors
///
/// As [`find`].
pub(crate) fn find_for_host(
    arguments: &ConnectArguments,
    host: &str,
) -> Result<Option<Credentials>, Failure> {
    match env::var(TOKEN_VARIABLE) {
        Ok(token) if !token.trim().is_empty() => return Ok(Some(of_token(token.trim()))),
        Err(env::VarError::NotUnicode(_)) => {
            return Err(Failure::usage(format!(
                "the variable {TOKEN_VARIABLE} is not UTF-8 text"
            )));
        }
        _ => {}
    }
    if let Some(path) = &arguments.token_file {
        let text = read(path).map_err(|error| {
            Failure::usage(format!("cannot read the token in {}", path.display()))
                .because(&error)
                .hint("check `--token-file`")
        })?;
        return match text.trim() {
            "" => Err(Failure::usage(format!("{} holds no token", path.display()))
                .hint("write the token into it that `tarn token add` printed")),
            token => Ok(Some(of_token(token))),
        };
    }
    let Some((path, named)) = netrc_path() else {
        return Ok(None);
    };
    match read(&path) {
        Ok(text) => Ok(netrc::look_up(&text, host)
            .map(|(user, password)| Credentials::Password { user, password })),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read {}", path.display()))
            .because(&error)
            .hint("let it be readable for you, or give a token in the variable TARN_TOKEN")),
    }
}

fn of_token(token: &str) -> Credentials {
    Credentials::Token(Secret::new(token.to_owned()))
}

/// The file that `NETRC` names, else `~/.netrc`; and whether it was named.
fn netrc_path() -> Option<(PathBuf, bool)> {
    let of = |name| env::var_os(name).filter(|value| !value.is_empty());
    match of("NETRC") {
        Some(path) => Some((PathBuf::from(path), true)),
        None => Some((Path::new(&of("HOME")?).join(".netrc"), false)),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::Error::other(format!(
            "it has more than {MAX_BYTES} bytes"
        )));
    }
    Ok(text)
}
