//! The rules, asked of a real registry on a real database.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something fails"
)]

mod accounts;
mod grants;
mod index_cache;
mod publishing;
mod rotation;
mod sealing_key;
mod sign_in;
mod webhooks;

use std::path::Path;

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    sign::KeySize,
    version::Version,
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, OwnerName, RepositoryName},
};
use tarn_core::{
    Registry,
    index::SignedIndex,
    publish::{Destination, IfExists},
    settings::Settings,
};
use tarn_store::metadata::{
    Actor, Database, NewBlob, NewPackageFile, NewUser, Owner, OwnerId, Visibility,
};

/// 2026-11-22 21:00:00 UTC.
const START: Timestamp = Timestamp::from_seconds(1_795_381_200);

/// The settings of a registry in that folder, on the engine that the tests run on.
fn settings(folder: &Path) -> Settings {
    let database = match tarn_testkit::database_in(folder) {
        Some(url) => Database::Postgres(url.parse().unwrap()),
        None => Database::Sqlite(folder.join("tarn.db")),
    };
    Settings {
        key_size: KeySize::Rsa2048,
        database,
        ..Settings::in_folder(folder.to_owned())
    }
}

async fn add_user(registry: &Registry, name: &str) -> Owner {
    let name = OwnerName::parse(name).unwrap();
    let new = NewUser {
        name: &name,
        password_hash: None,
        admin: false,
        visibility: Visibility::Public,
    };
    let metadata = registry.metadata();
    let server = Actor::SERVER;
    let act = server.at(START);
    metadata.add_user(new, &act).await.unwrap();
    metadata.owner(&name).await.unwrap().unwrap()
}

fn branch() -> Branch {
    Branch::parse("edge").unwrap()
}

fn main_repository() -> RepositoryName {
    RepositoryName::parse("main").unwrap()
}

fn arch() -> Arch {
    Arch::parse("x86_64").unwrap()
}

/// Into `edge/main` of that owner.
fn destination(owner: OwnerId, by: Actor) -> Destination {
    Destination {
        owner,
        branch: branch(),
        repository: main_repository(),
        by,
        announced: None,
        file_name: None,
        if_exists: IfExists::Refuse,
        past: None,
    }
}

/// Records a package without its bytes, which have that hash.
async fn record(
    registry: &Registry,
    owner: &Owner,
    repository: RepositoryName,
    (name, description): (&str, &str),
    hash: [u8; 32],
    at: Timestamp,
) {
    let sha256 = Sha256Digest::from_bytes(hash);
    let facts = PackageFacts {
        description: description.to_owned(),
        ..PackageFacts::new(
            Format::V2 { data_hash: sha256 },
            PackageName::parse(name).unwrap(),
            Version::parse("1.0-r0").unwrap(),
            arch(),
        )
    };
    let blob = NewBlob {
        place: 0,
        sha256,
        size: 7,
    };
    let identity = Identity::from_bytes(*hash.first_chunk().unwrap());
    let hash = PackageHash::Identity(identity);
    let new = NewPackageFile::new(owner.id, branch(), repository, &facts, hash, blob);
    let by = Actor::COMMAND_LINE;
    let act = by.at(at);
    registry
        .metadata()
        .record_package(&new, &act)
        .await
        .unwrap();
}

fn bytes(index: &SignedIndex) -> Vec<u8> {
    index.segments().whole()
}

tarn_testkit::suite_on_postgres!(
    // They move the file of SQLite about.
    "--skip",
    "an_older_copy_of_the_database_costs_no_package",
    "--skip",
    "packages_beside_a_new_database_keep_the_server_from_starting",
    // What they show does not depend on the database.
    "--skip",
    "index_cache::",
    "--skip",
    "sealing_key::",
);
