//! What the reader makes of an index of v3 packages, like those of OpenWrt: with versions that apk 2 does not know, and
//! signed by keys of elliptic curves (see `v3/README.md`).

use apk::{
    limits::Limits,
    sign::PublicKey,
    v3::{
        container,
        index::{IndexError, PackageHash, read, read_unverified},
        signature::KeyId,
    },
};

const BY_P256: &[u8] = include_bytes!("v3/ecdsa.adb");
const BY_P384: &[u8] = include_bytes!("v3/ecdsa-p384.adb");

#[test]
fn reads_dependencies_on_versions_that_only_apk_3_knows() {
    let index = read_unverified(BY_P256, &Limits::default()).unwrap();
    let [kernel, module] = index.packages.as_slice() else {
        panic!("{} packages", index.packages.len());
    };
    let depends: Vec<String> = module
        .facts
        .depends
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        depends,
        [
            format!("kernel={}", kernel.facts.version),
            "kmod-long=123456789012345678".to_owned()
        ]
    );
    let needed = module.facts.depends[0].version().unwrap();
    assert!(kernel.facts.version.compare(needed).is_eq());
}

#[test]
fn checks_what_apk_signed_with_keys_of_elliptic_curves() {
    let p256 = PublicKey::from_pem(include_bytes!("keys/ec.p256.pub.pem")).unwrap();
    let p384 = PublicKey::from_pem(include_bytes!("keys/ec.p384.pub.pem")).unwrap();
    for (file, key, other) in [(BY_P256, &p256, &p384), (BY_P384, &p384, &p256)] {
        let index = read(file, &Limits::default(), &[key]).unwrap();
        assert_eq!(index.packages.len(), 2);
        assert_eq!(index.verified_by, vec![KeyId::of(key)]);
        assert_eq!(
            read(file, &Limits::default(), &[other]),
            Err(IndexError::Untrusted)
        );
        let file = container::unpack(file, 1 << 20).unwrap();
        let mut changed = file.to_vec();
        // In the database: the first letter of a name.
        let at = changed
            .windows(6)
            .position(|bytes| bytes == b"kernel")
            .unwrap();
        changed[at] = b'l';
        assert_eq!(
            read(&changed, &Limits::default(), &[key]),
            Err(IndexError::Untrusted)
        );
    }
}

#[test]
fn takes_whatever_commit_apk_was_given() {
    let index = read_unverified(BY_P256, &Limits::default()).unwrap();
    let commits: Vec<&str> = index
        .packages
        .iter()
        .map(|package| package.facts.commit.as_str())
        .collect();
    let short = "0123456789abcdef";
    assert_eq!(commits, [short.repeat(4).as_str(), short]);
    let limits = Limits {
        index_line: 63,
        ..Limits::default()
    };
    let refused = read_unverified(BY_P256, &limits).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "package 1, repo-commit: it is 64 bytes long, and at most 63 are read"
    );
}

#[test]
fn a_hash_of_20_bytes_may_be_that_of_a_v3_package() {
    let index = read_unverified(BY_P256, &Limits::default()).unwrap();
    for package in &index.packages {
        assert!(matches!(package.hash, PackageHash::Identity(_)));
    }
}
