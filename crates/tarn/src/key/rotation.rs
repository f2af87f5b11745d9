//! `tarn key rotate`, `retire` and `reactivate`: rotate signing keys without breaking clients.

use apk::sign::KeyName;
use tarn_base::names::OwnerName;
use tarn_core::{
    Administration,
    keys::{ListedKey, StateChange},
};
use tarn_store::metadata::{KeyState, KeyType, Owner};

use crate::{administration::BY, failure::Failure, output};

/// Begins a rotation. The new key's name goes to standard output.
pub(super) async fn rotate(
    registry: &Administration,
    owner: &OwnerName,
    key_type: KeyType,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(owner).await?;
    let key = registry.keys().rotate(&owner, key_type, &BY).await?;
    output::print_line(key.name.as_str())?;
    output::note(&signs(&key.name, &owner));
    if key_type == KeyType::EcP256 {
        output::note(
            "it signs Packages.adb, which apk 3 reads; give it to those clients, OpenWrt's among them. Clients of APKINDEX.tar.gz go on \
             with the RSA key",
        );
    }
    // A rotation of the other type that is open is not what this is about.
    let mut signing = signing(registry, &owner).await?;
    signing.retain(|(of_type, _)| *of_type == key_type);
    // Otherwise the note about the overlap has it.
    if key_type == KeyType::EcP256 && signing.len() == 1 {
        output::note(&fetch(&owner, &key.name));
    }
    note_overlap(&owner, &signing);
    Ok(())
}

/// The command with which a client gets a key.
fn fetch(owner: &Owner, name: &KeyName) -> String {
    let command = tarn_http::fetch_command("https://HOST", &owner.name, name);
    format!("  {command}")
}

/// Ends it, or takes it back.
pub(super) async fn retire(
    registry: &Administration,
    owner: &OwnerName,
    name: &KeyName,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(owner).await?;
    let change = registry.keys().retire(&owner, name, &BY).await?;
    let (owner, when) = (&owner.name, when(&change));
    output::note(&format!(
        "{name} does not sign the indexes of {owner} any more{when}; to undo this: tarn key reactivate {owner} {name}"
    ));
    Ok(())
}

/// Undoes the end.
pub(super) async fn reactivate(
    registry: &Administration,
    owner: &OwnerName,
    name: &KeyName,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(owner).await?;
    let change = registry.keys().reactivate(&owner, name, &BY).await?;
    let when = when(&change);
    output::note(&format!("{name} signs the indexes of {}{when}", owner.name));
    let signing = signing(registry, &owner).await?;
    note_overlap(&owner, &signing);
    Ok(())
}

/// From when on a change of state is in force.
fn when(change: &StateChange) -> &'static str {
    if change.changed {
        ", from the next request on"
    } else {
        ", as before"
    }
}

/// Says that a key signs now.
pub(super) fn signs(name: &KeyName, owner: &Owner) -> String {
    format!(
        "{name} signs the indexes of {} from the next request on",
        owner.name
    )
}

/// The keys that sign, newest first.
pub(super) async fn signing(
    registry: &Administration,
    owner: &Owner,
) -> Result<Vec<(KeyType, KeyName)>, Failure> {
    let keys = registry.keys().list(owner).await?;
    Ok(active(&keys))
}

/// The same, of keys that are listed already.
pub(super) fn active(keys: &[ListedKey]) -> Vec<(KeyType, KeyName)> {
    let active = keys.iter().filter(|key| key.state == KeyState::Active);
    active.map(|key| (key.key_type, key.name.clone())).collect()
}

/// Says which keys an import has retired.
pub(super) fn note_retired(keys: &[(KeyType, KeyName)]) {
    let names: Vec<&str> = keys.iter().map(|(_, name)| name.as_str()).collect();
    if !names.is_empty() {
        output::note(&format!(
            "retired: {}; a client that has no other key trusts nothing from now on (with `--overlap` they sign on)",
            names.join(", ")
        ));
    }
}

/// Says what is to be done while more than one key of a type signs.
pub(super) fn note_overlap(owner: &Owner, signing: &[(KeyType, KeyName)]) {
    for wanted in [KeyType::Rsa, KeyType::EcP256] {
        let of_it = signing.iter().filter(|(key_type, _)| *key_type == wanted);
        let names: Vec<&KeyName> = of_it.map(|(_, name)| name).collect();
        if let Some((newest, older)) = names.split_first()
            && !older.is_empty()
        {
            note_newer(owner, newest, older);
        }
    }
}

fn note_newer(owner: &Owner, newest: &KeyName, older: &[&KeyName]) {
    output::note(&format!(
        "clients with any key that is active work; give every client {newest}:"
    ));
    output::note(&fetch(owner, newest));
    output::note("then end the overlap:");
    for old in older {
        output::note(&format!("  tarn key retire {} {old}", owner.name));
    }
}
