//! `tarn inspect`: what a package or an index says, read as strictly as an upload would be.

mod index;
mod package;

use std::{
    error::Error,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use apk::{
    sign::{KeyName, PublicKey},
    v2::signature::SignatureMember,
    v3::signature::KeyId,
};
use serde::Serialize;

use crate::{failure::Failure, output};

/// The largest public key file that is read, in bytes.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// `tarn inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// An .apk, or an index: an APKINDEX.tar.gz or a Packages.adb; may be several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A public key that has to have signed each file. Its file name counts, as apk finds keys by it, but for files of v3
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
    /// As JSON, for scripts: one object a file
    #[arg(long)]
    json: bool,
}

/// A public key that a signature is checked with, and the name apk would look it up by.
pub(crate) struct TrustedKey {
    pub(crate) name: KeyName,
    pub(crate) key: PublicKey,
}

/// One signature, as shown.
#[derive(Debug, Serialize)]
struct Signature {
    algorithm: &'static str,
    key: String,
    /// Whether the key that was given made it; `None` where it was not checked.
    verified: Option<bool>,
}

impl Signature {
    /// One of v3, which names its hash, and its key by what it is. RSA or ECDSA, that is for the key to say.
    fn of_v3(key: KeyId, verified: Option<bool>) -> Self {
        Self {
            algorithm: "SHA512",
            key: key.to_string(),
            verified,
        }
    }
}

/// Reads the files and prints what each says. One that is refused keeps none of the others from being read.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let trusted = arguments.key.as_deref().map(TrustedKey::read).transpose()?;
    let mut failures = Vec::new();
    for (number, file) in arguments.files.iter().enumerate() {
        if number > 0 && !arguments.json {
            output::print("\n")?;
        }
        failures.extend(inspect(file, trusted.as_ref(), arguments.json).err());
    }
    failures
        .into_iter()
        .reduce(Failure::and)
        .map_or(Ok(()), Err)
}

fn inspect(file: &Path, trusted: Option<&TrustedKey>, json: bool) -> Result<(), Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".apk") {
        return package::inspect(file, trusted)?.print(json);
    }
    if name.ends_with(".tar.gz") || name.ends_with(".adb") {
        return index::inspect(file, trusted)?.print(json);
    }
    // The content decides, not the name. When it is neither, the error is that of a package.
    match package::inspect(file, trusted) {
        Ok(package) => package.print(json),
        Err(failure) => match index::inspect(file, trusted) {
            Ok(index) => index.print(json),
            Err(_) => Err(failure),
        },
    }
}

impl TrustedKey {
    /// Reads a public key, whose file name is its own.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = KeyName::parse(&name).map_err(|error| {
            Failure::usage(format!(
                "the file name of the key {shown} cannot be that of a key"
            ))
            .because(&error)
            .hint("give it the name it has in /etc/apk/keys, such as alice-5f3c.rsa.pub")
        })?;
        let mut pem = Vec::new();
        open(path)?
            .take(MAX_KEY_BYTES)
            .read_to_end(&mut pem)
            .map_err(|error| unreadable(path, &error))?;
        let key = PublicKey::from_pem(&pem).map_err(|error| {
            Failure::usage(format!("{shown} is not a public key")).because(&error)
        })?;
        Ok(Self { name, key })
    }
}

/// The signatures as shown; `verified` says of each whether the given key made it.
fn signatures(
    members: &[SignatureMember],
    verified: impl Fn(&SignatureMember) -> Option<bool>,
) -> Vec<Signature> {
    members
        .iter()
        .map(|member| Signature {
            algorithm: member.algorithm.as_str(),
            key: member.key_name.clone(),
            verified: verified(member),
        })
        .collect()
}

/// The signatures as lines for people.
fn signature_lines(signatures: &[Signature]) -> Vec<String> {
    if signatures.is_empty() {
        return vec!["no key".to_owned()];
    }
    signatures
        .iter()
        .map(|signature| {
            let Signature {
                algorithm,
                key,
                verified,
            } = signature;
            let verified = match verified {
                Some(true) => "verified",
                Some(false) => "not by the key given",
                None => "not checked",
            };
            format!("{key} ({algorithm}, {verified})")
        })
        .collect()
}

fn unsigned(file: &Path, trusted: &TrustedKey) -> Failure {
    let (file, key) = (file.display(), &trusted.name);
    Failure::refused(format!("{file} is not signed by {key}"))
}

/// Why a signature that was asked for is not there.
fn not_signed(file: &Path, trusted: &TrustedKey, members: &[SignatureMember]) -> Failure {
    let failure = unsigned(file, trusted);
    let names: Vec<&str> = members
        .iter()
        .map(|member| member.key_name.as_str())
        .collect();
    if names.is_empty() {
        return failure.hint("it has no signature at all");
    }
    if names.contains(&trusted.name.as_str()) {
        return failure.hint("it names a key of that file name, but another key made the signature, or the file was changed");
    }
    failure.hint(format!(
        "it names {}; apk looks keys up by this name, so the file with the key has to have it too",
        names.join(", ")
    ))
}

/// The same of a file of v3, whose signatures name a key by what it is and not by its file name.
fn not_signed_v3(file: &Path, trusted: &TrustedKey, signed_by: &[KeyId]) -> Failure {
    let failure = unsigned(file, trusted);
    let key = KeyId::of(&trusted.key);
    failure.hint(if signed_by.is_empty() {
        "it has no signature at all".to_owned()
    } else if signed_by.contains(&key) {
        "it names that key, but the signature is wrong: the file was changed".to_owned()
    } else {
        let names: Vec<String> = signed_by.iter().map(KeyId::to_string).collect();
        format!("it names {}; the key given is {key}", names.join(", "))
    })
}

fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Err(Failure::new(format!("{} is a folder", path.display())).hint("name one file"))
        }
        Ok(_) => Ok(file),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A file that was read and is not good.
fn refused(path: &Path, error: &(dyn Error + 'static)) -> Failure {
    Failure::from_error(error)
        .into_refused()
        .about(&path.display().to_string())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read {}", path.display())).because(error)
}

/// Prints labelled lines; a label with several values stands once.
fn print_labelled(lines: &[(&str, Vec<String>)]) -> Result<(), Failure> {
    let mut text = String::new();
    for (label, values) in lines {
        let mut label = *label;
        for value in values.iter().filter(|value| !value.is_empty()) {
            let value = crate::failure::printable(value);
            text.push_str(&format!("{label:<12} {value}\n"));
            label = "";
        }
    }
    output::print(&text)
}
