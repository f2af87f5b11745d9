//! `tarn key`: the keys that sign an owner's indexes.

mod rotation;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use apk::sign::{KeyName, SigningKey};
use serde::Serialize;
use tarn_base::{names::OwnerName, secret::Secret};
use tarn_core::{Administration, keys::Import};
use tarn_store::metadata::KeyType;

use crate::{
    administration::{BY, Group},
    failure::Failure,
    open,
    output::{self, moment},
};

/// The largest private key file that is read, in bytes. A key of 4096 bits takes some 3,300.
const MAX_PEM_BYTES: u64 = 64 << 10;

/// `tarn key …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List an owner's keys, newest first
    List {
        /// A user or an organisation
        owner: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Print the public key that clients put into /etc/apk/keys; makes one if there is none yet
    Export {
        /// A user or an organisation
        owner: OwnerName,
        /// The file name of the key, as `key list` prints it [default: the newest RSA key]
        #[arg(value_parser = KeyName::parse)]
        name: Option<KeyName>,
        /// Print the private key instead. It can sign anything that your clients trust
        #[arg(long)]
        private: bool,
    },
    /// Begin a rotation: make a key that signs beside the old one, and print its file name
    Rotate {
        /// A user or an organisation
        owner: OwnerName,
        /// rsa signs the indexes of both formats; ec-p256, which OpenWrt uses, signs Packages.adb only
        #[arg(long = "type", value_name = "TYPE", default_value = "rsa")]
        key_type: KeyType,
    },
    /// End a rotation: stop signing with the old key, once every client has the new one
    Retire {
        /// A user or an organisation
        owner: OwnerName,
        /// The file name of the key, as `key list` prints it
        #[arg(value_parser = KeyName::parse)]
        name: KeyName,
    },
    /// Sign with a retired key again, beside the others, for a client that was forgotten
    Reactivate {
        /// A user or an organisation
        owner: OwnerName,
        /// The file name of the key, as `key list` prints it
        #[arg(value_parser = KeyName::parse)]
        name: KeyName,
    },
    /// After the sealing key was lost: use the one that is there now. What the lost key sealed cannot be opened again
    ReplaceSealingKey,
    /// Take over a private key whose public half your clients have; it signs from the next request on, the others of its type
    /// retire
    Import {
        /// A user or an organisation
        owner: OwnerName,
        /// The private key in PEM: RSA, such as abuild's you@example.org-5f3c.rsa, or of the curve P-256, such as OpenWrt's
        /// private-key.pem; or - for standard input
        file: PathBuf,
        /// The file name of the public key in your clients' /etc/apk/keys [default: FILE with .pub, when FILE ends in .rsa; for
        /// a key of the curve P-256 OWNER@FINGERPRINT.pem]
        #[arg(long, value_name = "NAME", value_parser = KeyName::parse)]
        name: Option<KeyName>,
        /// Keep the other active keys, for clients that have only one of them
        #[arg(long)]
        overlap: bool,
    },
}

/// One key, in the JSON of `key list`. The dates are RFC 3339, UTC.
#[derive(Serialize)]
struct Shown {
    name: String,
    r#type: &'static str,
    state: &'static str,
    /// Since when it is in that state.
    changed_at: String,
    created_at: String,
    fingerprint: String,
}

/// Opens the registry and does what the command line says. Only the sealing key is replaced without opening it: it does not open.
pub(crate) async fn run_group(group: Group<Action>) -> Result<(), Failure> {
    match group.action() {
        Action::ReplaceSealingKey => {
            open::replace_sealing_key(group.flags(), &BY).await?;
            output::note(
                "the sealing key that is there now is the one of this database; give every owner a new signing key with \
                 `tarn key rotate`, and see docs/keys.md for webhooks and second factors",
            );
            Ok(())
        }
        _ => group.run(run).await,
    }
}

/// Does what the arguments say.
async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::List { owner, json } => list(registry, &owner, json).await,
        Action::Export {
            owner,
            name,
            private,
        } => export(registry, &owner, name.as_ref(), private).await,
        Action::Import {
            owner,
            file,
            name,
            overlap,
        } => {
            let others = match overlap {
                true => Import::Beside,
                false => Import::Instead,
            };
            import(registry, &owner, &file, name, others).await
        }
        // See `run_group`.
        Action::ReplaceSealingKey => Ok(()),
        Action::Rotate { owner, key_type } => rotation::rotate(registry, &owner, key_type).await,
        Action::Retire { owner, name } => rotation::retire(registry, &owner, &name).await,
        Action::Reactivate { owner, name } => rotation::reactivate(registry, &owner, &name).await,
    }
}

async fn list(registry: &Administration, owner: &OwnerName, json: bool) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(owner).await?;
    let keys = registry.keys().list(&owner).await?;
    let signing = rotation::active(&keys);
    let shown: Vec<Shown> = keys
        .into_iter()
        .map(|key| Shown {
            name: key.name.to_string(),
            r#type: key.key_type.as_str(),
            state: key.state.as_str(),
            changed_at: moment(key.changed_at),
            created_at: moment(key.created_at),
            fingerprint: key.fingerprint,
        })
        .collect();
    output::print_list(
        json,
        "key",
        ["NAME", "TYPE", "STATE", "SINCE", "CREATED", "SHA-256"],
        shown,
        |key| {
            [
                key.name,
                key.r#type.to_owned(),
                key.state.to_owned(),
                key.changed_at,
                key.created_at,
                key.fingerprint,
            ]
        },
    )?;
    rotation::note_overlap(&owner, &signing);
    Ok(())
}

async fn export(
    registry: &Administration,
    owner: &OwnerName,
    name: Option<&KeyName>,
    private: bool,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(owner).await?;
    let key = registry.keys().export(&owner, name, private).await?;
    if let Some(private) = &key.private {
        let file = key.name.as_str();
        let file = file.strip_suffix(".pub").unwrap_or(file);
        output::note(&format!(
            "this is the private key; keep it as {file}, where no other user can read it"
        ));
        return output::print(private.expose());
    }
    output::note(&format!("this is /etc/apk/keys/{}", key.name));
    output::print(&key.public)
}

async fn import(
    registry: &Administration,
    owner: &OwnerName,
    file: &Path,
    name: Option<KeyName>,
    others: Import,
) -> Result<(), Failure> {
    let said = name.map_or_else(|| name_from(file), Ok);
    // apk finds an RSA key by its file name in a v2 index, so the name has to be the one that clients have. A key of an
    // elliptic curve it finds by the key itself, whatever the name.
    let (pem, name) = match said {
        Ok(name) => (read_pem(file)?, Some(name)),
        Err(unclear) => match read_pem(file) {
            // Of what is not a key to sign with, the service says so.
            Ok(pem) if !needs_name(&pem) => (pem, None),
            _ => return Err(unclear),
        },
    };
    let owner = registry.accounts().find_owner(owner).await?;
    let mut before = rotation::signing(registry, &owner).await?;
    let key = registry
        .keys()
        .import(&owner, &pem, name, others, &BY)
        .await?;
    let signs = rotation::signs(&key.name, &owner);
    match others {
        Import::Instead => {
            output::note(&format!("{signs}; clients need it in /etc/apk/keys"));
            let signing = rotation::signing(registry, &owner).await?;
            before.retain(|was| !signing.contains(was));
            rotation::note_retired(&before);
        }
        Import::Beside => {
            output::note(&signs);
            let signing = rotation::signing(registry, &owner).await?;
            rotation::note_overlap(&owner, &signing);
        }
    }
    Ok(())
}

/// Whether it is a key that signs v2 indexes too.
fn needs_name(pem: &Secret) -> bool {
    SigningKey::from_pem(pem.expose().as_bytes()).is_ok_and(|key| key.signs_v2())
}

/// The name of the public key that belongs to a private key file: abuild calls the halves `NAME.rsa` and `NAME.rsa.pub`.
pub(crate) fn name_from(file: &Path) -> Result<KeyName, Failure> {
    let unclear = || {
        Failure::usage(format!(
            "the name of {} does not say what your clients call the key",
            file.display()
        ))
        .hint("say it with `--name`, such as --name you@example.org-5f3c.rsa.pub; apk finds keys by their file names")
    };
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(unclear)?;
    let name = match name.strip_suffix(".pub").unwrap_or(name) {
        stem if stem.ends_with(".rsa") => format!("{stem}.pub"),
        _ => return Err(unclear()),
    };
    KeyName::parse(&name).map_err(|error| Failure::from_error(&error).into_usage())
}

/// The text of a key in PEM form.
pub(crate) fn read_pem(path: &Path) -> Result<Secret, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(format!("cannot read the key {}", path.display())).because(&error)
    };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_PEM_BYTES)
            .read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_PEM_BYTES).read_to_string(&mut text))
    };
    // Wrapped at once, so that it is wiped whatever comes next.
    let pem = Secret::new(text);
    match read {
        Ok(_) => Ok(pem),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Failure::new(format!("{} is no PEM file", path.display()))
                .hint("a key in PEM form is text, with a line `-----BEGIN … PRIVATE KEY-----`"))
        }
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_private_half_tells_that_of_the_public_half() {
        for (file, name) in [
            ("/root/.abuild/alice-5f.rsa", "alice-5f.rsa.pub"),
            (
                "alice@example.org-5f.rsa.pub",
                "alice@example.org-5f.rsa.pub",
            ),
        ] {
            assert_eq!(name_from(Path::new(file)).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_that_clients_could_not_know_is_asked_for() {
        for file in ["key.pem", "-", "/", ".rsa", "a b.rsa", "rsa"] {
            assert!(name_from(Path::new(file)).is_err(), "{file}");
        }
    }
}
