//! `tarn install-key`: the public key of an owner, from a server to where apk looks for it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use apk::{
    digest::Sha256Digest,
    sign::{KeyName, PublicKey},
};
use http::{StatusCode, header::CONTENT_DISPOSITION};
use tarn_net::Answer;

use crate::{
    failure::{Failure, printable},
    output,
    remote::{
        ConnectArguments, credentials,
        place::{OwnerPlace, is_plain},
        refused_caller, unanswered,
    },
};

/// The largest public key that is read, in bytes.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// Where apk looks, below its root.
const KEYS: &str = "etc/apk/keys";

/// `tarn install-key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// HOST/OWNER, or a repository: HOST/OWNER/BRANCH/REPOSITORY, or its URL as it stands in /etc/apk/repositories; for a server below a
    /// path of several segments only a URL with /api/packages/
    #[arg(value_name = "HOST/OWNER", value_parser = OwnerPlace::parse)]
    owner: OwnerPlace,
    /// The root of the system that is to trust the key
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        conflicts_with = "keys_dir"
    )]
    root: PathBuf,
    /// The folder for the key [default: etc/apk/keys in the root]
    #[arg(long, value_name = "DIR")]
    keys_dir: Option<PathBuf>,
    /// Take only the key with this SHA-256, which `tarn key list OWNER` prints
    #[arg(long, value_name = "HEX", value_parser = Sha256Digest::parse_hex)]
    fingerprint: Option<Sha256Digest>,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// Fetches the key and writes it; prints the path of its file.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let owner = &arguments.owner;
    let credentials = credentials::find(&arguments.connect, owner)?;
    let url = owner.key();
    let remote = arguments.connect.remote()?;
    let mut answer = remote
        .get(&url, credentials.as_ref())
        .await
        .map_err(|error| unanswered(&error))?;
    if answer.status() != StatusCode::OK {
        let hint = "check the URL: HOST/OWNER, or HOST/OWNER/BRANCH/REPOSITORY";
        let not_found = answer.status() == StatusCode::NOT_FOUND;
        let failure = refused_caller(&mut answer, credentials.is_some()).await;
        return Err(if not_found {
            failure.hint(hint)
        } else {
            failure
        });
    }
    let (name, pem, key) = read(&mut answer)
        .await
        .map_err(|failure| failure.about(url.as_str()))?;
    let found = key.fingerprint();
    match &arguments.fingerprint {
        Some(wanted) if *wanted != found => {
            return Err(
                Failure::refused(format!("{url} is another key: its SHA-256 is {found}"))
                    .hint("ask the owner; it may have been changed on the way"),
            );
        }
        None if is_plain(answer.url()) => output::note(&format!(
            "this key came over http, where anyone on the way can put their own; compare its SHA-256 with `tarn key list` on the server: {found}"
        )),
        _ => {}
    }
    let folder = match &arguments.keys_dir {
        Some(folder) => folder.clone(),
        None => arguments.root.join(KEYS),
    };
    let path = folder.join(name.as_str());
    install(&path, &pem, &key)?;
    output::print_line(&printable(&path.display().to_string()))
}

/// The name, the text and the key of an answer.
async fn read(answer: &mut Answer) -> Result<(KeyName, Vec<u8>, PublicKey), Failure> {
    let name = answer
        .header(&CONTENT_DISPOSITION)
        .and_then(|value| value.split_once("filename=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .ok_or_else(|| Failure::new("the answer does not say what the key is called"))?;
    let name = KeyName::parse(&name).map_err(|error| Failure::from_error(&error))?;
    let pem = answer
        .bytes(MAX_KEY_BYTES)
        .await
        .map_err(|error| unanswered(&error))?
        .ok_or_else(|| Failure::new("the answer is too long for a key"))?;
    let key = PublicKey::from_pem(&pem)
        .map_err(|error| Failure::new("the answer is not a public key").because(&error))?;
    Ok((name, pem, key))
}

/// Writes the key to `path`, unless it is there. Another key of that name stays.
fn install(path: &Path, pem: &[u8], key: &PublicKey) -> Result<(), Failure> {
    let failure = |error: &io::Error| {
        Failure::new(format!("cannot write {}", path.display()))
            .because(error)
            .hint("run this as root, or give another folder with `--root` or `--keys-dir`")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failure(&error))?;
    match fs::read(path) {
        Ok(there) => {
            let same =
                PublicKey::from_pem(&there).is_ok_and(|there| there.as_der() == key.as_der());
            if same {
                output::note("the key was there already");
                return Ok(());
            }
            return Err(Failure::new(format!("{} is another key", path.display()))
                .hint("it was not touched; if this one is to replace it, remove it first"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failure(&error)),
    }
    // Whole or not at all, and never over a file that came meanwhile.
    let part = path.with_file_name(format!(".{}.part", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&part)
        .and_then(|mut file| {
            file.write_all(pem)?;
            file.sync_all()?;
            fs::hard_link(&part, path)
        });
    let removed = fs::remove_file(&part);
    written.and(removed).map_err(|error| failure(&error))
}
