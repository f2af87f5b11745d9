//! What packages have to do with each other, and the parts of a repository that pages show.

use apk::{
    arch::Arch,
    dependency::Dependency,
    digest::{Identity, PackageHash},
};
use tarn_store::metadata::{
    Dependent, FilesWanted, ListedFile, NewPackageFile, OwnerId, PackageFileId, Quota, ReadScope,
    RelatedPackage, RepositoryState,
};

use crate::{ACT, START, World, add_user, blob, branch, facts, main_repository};

/// Records a package of an owner that says this of itself. Gives the file.
async fn record(
    world: &World,
    owner: OwnerId,
    (name, arch): (&str, &str),
    (origin, depends, provides): (&str, &str, &str),
) -> PackageFileId {
    let list = |text| Dependency::parse_list(text).unwrap();
    let mut said = facts(name, arch);
    origin.clone_into(&mut said.origin);
    (said.depends, said.provides) = (list(depends), list(provides));
    let new = NewPackageFile::new(
        owner,
        branch(),
        main_repository(),
        &said,
        PackageHash::Identity(Identity::from_bytes([7; 20])),
        blob(name),
    );
    world.metadata.record_package(&new, &ACT).await.unwrap();
    let scope = ReadScope::EVERYTHING;
    let repository = state(world, owner).await.id;
    let files = world
        .metadata
        .files_of_package(&scope, repository, &new.name, 10)
        .await
        .unwrap();
    files.first().unwrap().id
}

/// That of the owner's only repository.
async fn state(world: &World, owner: OwnerId) -> RepositoryState {
    let (scope, branch, repository) = (ReadScope::EVERYTHING, branch(), main_repository());
    let state = world
        .metadata
        .repository_state(&scope, owner, &branch, &repository);
    state.await.unwrap().unwrap()
}

fn names(related: &[RelatedPackage]) -> Vec<&str> {
    related
        .iter()
        .map(|package| package.name.as_str())
        .collect()
}

#[tokio::test]
async fn names_lead_from_package_to_package_while_both_are_there() {
    let world = World::new().await;
    let (alice, scope) = (world.alice, ReadScope::EVERYTHING);
    let metadata = &world.metadata;
    let lib = ("libz", "x86_64");
    let lib = record(&world, alice, lib, ("zlib", "", "so:libz.so.1=1.3")).await;
    let tool = ("minizip", "x86_64");
    let wants = (
        "zlib",
        "so:libz.so.1 so:libz.so.1>=1.2 so:libz.so.1<2 musl !bad",
        "",
    );
    let tool = record(&world, alice, tool, wants).await;
    // The same names elsewhere mean nothing here: of another architecture, of another owner.
    record(&world, alice, ("other", "aarch64"), ("zlib", "", "musl")).await;
    let bob = add_user(metadata, "bob").await;
    record(&world, bob, ("muslbob", "x86_64"), ("", "libz", "musl")).await;

    let x86_64 = Arch::parse("x86_64").unwrap();
    let found = metadata
        .providers_for(&scope, alice, tool, &x86_64)
        .await
        .unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.provides.to_string(), found.package.name.as_str()))
        .collect();
    assert_eq!(found, [("so:libz.so.1=1.3".to_owned(), "libz")]);
    let dependents = metadata.dependents_on(&scope, alice, lib).await.unwrap();
    let wants = |wanted: &Dependent| -> Vec<String> {
        wanted.wants.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        dependents.iter().map(wants).collect::<Vec<_>>(),
        [["so:libz.so.1>=1.2", "so:libz.so.1<2"]]
    );
    assert_eq!(dependents[0].provides.to_string(), "so:libz.so.1=1.3");
    assert_eq!(dependents[0].package.name.as_str(), "minizip");
    let state = state(&world, alice).await;
    let of_zlib = FilesWanted {
        origin: Some("zlib"),
        ..FilesWanted::default()
    };
    let files = metadata.files_by_name(state.id, of_zlib, "", 9).await;
    let found = files.unwrap();
    let found: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(found, ["libz", "minizip", "other"]);
    let files = metadata.files_by_age(state.id, of_zlib, i64::MAX, 2).await;
    let found = files.unwrap();
    let found: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(found, ["other", "minizip"]);
    let newest = metadata.newest_versions_of(&scope, alice, 2).await.unwrap();
    let newest: Vec<_> = newest.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(newest, ["other", "minizip"]);
    let siblings = metadata.packages_from(state.id, "zlib").await.unwrap();
    assert_eq!(names(&siblings), ["libz", "minizip", "other"]);

    assert!(world.remove("minizip", "x86_64", START).await);
    let dependents = metadata.dependents_on(&scope, alice, lib).await.unwrap();
    assert_eq!(dependents, []);
    // What is restored is found again.
    let no_quota = Quota::default();
    let restored = metadata.restore_package(alice, tool, no_quota, u64::MAX, &ACT);
    assert!(restored.await.unwrap());
    let dependents = metadata.dependents_on(&scope, alice, lib).await.unwrap();
    assert_eq!(dependents.len(), 1);
    // What bounds a name without end is found, and its bounds are not.
    let bounds: String = (0..9).map(|n| format!("so:libz.so.1>{n} ")).collect();
    record(&world, alice, ("many", "x86_64"), ("", &bounds, "")).await;
    let dependents = metadata.dependents_on(&scope, alice, lib).await.unwrap();
    let of_many = dependents
        .iter()
        .find(|found| found.package.name.as_str() == "many");
    assert_eq!(of_many.map(wants).unwrap(), ["so:libz.so.1"]);
}

#[tokio::test]
async fn a_repository_is_read_a_part_at_a_time() {
    let world = World::new().await;
    for (name, arch) in [
        ("zsh", "noarch"),
        ("apk", "x86_64"),
        ("apk", "aarch64"),
        ("bash", "x86_64"),
    ] {
        world.record(name, arch).await.unwrap();
    }
    let metadata = &world.metadata;
    // Another owner's packages of the same names and versions are not seen here.
    let bob = add_user(metadata, "bob").await;
    record(&world, bob, ("bash", "x86_64"), ("", "", "")).await;
    let state = state(&world, world.alice).await;
    let architectures: Vec<_> = state
        .architectures
        .iter()
        .map(|state| (state.arch.as_str(), state.packages))
        .collect();
    assert_eq!(
        architectures,
        [("aarch64", 1), ("noarch", 1), ("x86_64", 2)]
    );

    let all = FilesWanted::default();
    let by_name = |wanted, after: &'static str| metadata.files_by_name(state.id, wanted, after, 2);
    let shown = |files: Vec<ListedFile>| -> Vec<String> {
        let files = files.iter();
        files
            .map(|file| format!("{} {}", file.name, file.arch))
            .collect()
    };
    assert_eq!(
        shown(by_name(all, "").await.unwrap()),
        ["apk aarch64", "apk x86_64"]
    );
    let after = "apk-1.0-r0.apk";
    assert_eq!(
        shown(by_name(all, after).await.unwrap()),
        ["bash x86_64", "zsh noarch"]
    );
    let some = FilesWanted {
        text: "aS",
        arch: Some("x86_64"),
        origin: None,
    };
    assert_eq!(shown(by_name(some, "").await.unwrap()), ["bash x86_64"]);
    // Any part of the name, and nothing but the name; the characters of patterns are themselves.
    for (text, found) in [
        ("s", &["bash x86_64", "zsh noarch"][..]),
        // By its trigrams.
        ("BaS", &["bash x86_64"]),
        ("ashes", &[]),
        ("1.0", &[]),
        ("%", &[]),
        ("b_sh", &[]),
    ] {
        let some = FilesWanted { text, ..all };
        assert_eq!(shown(by_name(some, "").await.unwrap()), found, "{text}");
        let mut newest = shown(
            metadata
                .files_by_age(state.id, some, i64::MAX, 9)
                .await
                .unwrap(),
        );
        newest.sort();
        assert_eq!(newest, found, "{text}");
    }
    let newest = metadata
        .files_by_age(state.id, all, i64::MAX, 2)
        .await
        .unwrap();
    assert_eq!(shown(newest), ["bash x86_64", "apk aarch64"]);
    let x86_64 = Arch::parse("x86_64").unwrap();
    let index = metadata
        .files_in_index(state.id, &x86_64, "", 10)
        .await
        .unwrap();
    let index: Vec<_> = index.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(
        index,
        ["apk-1.0-r0.apk", "bash-1.0-r0.apk", "zsh-1.0-r0.apk"]
    );
}
