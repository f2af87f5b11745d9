//! Packages in which every field is set.

#![expect(
    clippy::unwrap_used,
    reason = "what is wrong in the texts below fails the test that asks for them"
)]

use apk::{
    arch::Arch,
    dependency::Dependency,
    digest::Sha256Digest,
    facts::{Format, PackageFacts},
    name::PackageName,
    script::Script,
    version::Version,
};

/// The `.PKGINFO` of [`full_v2`], every key in it, without the line of the datahash.
pub const PKGINFO: &str = r##"pkgname = full
pkgver = 1.0-r0
pkgdesc = Ünïcode = `quotes` "and" a \
url = https://example.org/?a=b&c="d"#e
builddate = 1700000000
packager = A Packager <packager@example.org>
size = 5000000000
arch = x86_64
origin = source
commit = 0123456789abcdef0123456789abcdef01234567-dirty
maintainer = A Maintainer <maintainer@example.org>
license = MIT AND (Apache-2.0 OR BSD-2-Clause)
provider_priority = 100
replaces_priority = 2
replaces = other<3
depend = a<2
depend = b>=1 !c d~1.2
depend = so:libc.musl-x86_64.so.1
provides = cmd:full=1.0-r0
provides = so:libfull.so.1=1.2.3
install_if = docs full=1.0-r0
triggers = /usr/share/full /usr/lib/full/*
"##;

/// A v3 package in which every field is set. Lists are in the order of an index.
pub fn full_v3() -> PackageFacts {
    let list = |text| Dependency::parse_list(text).unwrap();
    // Without `..`, and each with a value: a new field has to be thought of here.
    PackageFacts {
        format: Format::V3,
        name: PackageName::parse("full").unwrap(),
        version: Version::parse("1.0-r0").unwrap(),
        arch: Arch::parse("x86_64").unwrap(),
        description: r#"Ünïcode = `quotes` "and" a \"#.to_owned(),
        url: r##"https://example.org/?a=b&c="d"#e"##.to_owned(),
        license: "MIT AND (Apache-2.0 OR BSD-2-Clause)".to_owned(),
        origin: "source".to_owned(),
        maintainer: "A Maintainer <maintainer@example.org>".to_owned(),
        // A v3 package has none.
        packager: String::new(),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        build_date: 1_700_000_000,
        installed_size: 5_000_000_000,
        provider_priority: 100,
        replaces_priority: 2,
        depends: list("a<2 b>=1 !c d~1.2 so:libc.musl-x86_64.so.1"),
        provides: list("cmd:full=1.0-r0 so:libfull.so.1=1.2.3"),
        replaces: list("other<3"),
        install_if: list("docs full=1.0-r0"),
        recommends: list("more"),
        layer: 1,
        tags: vec!["one".to_owned(), "two".to_owned()],
        triggers: vec!["/usr/share/full".to_owned(), "/usr/lib/full/*".to_owned()],
        scripts: Script::ALL.to_vec(),
    }
}

/// A v2 package in which every field is set.
pub fn full_v2() -> PackageFacts {
    PackageFacts {
        format: Format::V2 {
            data_hash: Sha256Digest::from_bytes([7; 32]),
        },
        packager: "A Packager <packager@example.org>".to_owned(),
        commit: "0123456789abcdef0123456789abcdef01234567-dirty".to_owned(),
        recommends: Vec::new(),
        layer: 0,
        tags: Vec::new(),
        ..full_v3()
    }
}
