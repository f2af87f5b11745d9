//! Names with characters that have a meaning elsewhere: in an address, in SQL, to a shell.

use crate::harness::{Apk, Package, Server, alpine_or_leave_out};

#[test]
fn apk_finds_files_whatever_their_name_and_version_hold() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let packages = [
        ("libstdc++", "15.2.0-r2"),
        ("gtk+3.0", "3.24-r0"),
        ("foo_bar", "1.0_git20240101-r0"),
        ("hash", "1.0~abc123-r0"),
        ("py3.12-thing", "1.0_alpha2_p3-r10"),
        ("Upper-Case", "1.0b_rc1-r0"),
        ("a", "1"),
        ("dash-", "0.0.1"),
        ("7zip", "24.09-r0"),
        ("_under", "2024.01.01-r3"),
    ];
    for (name, version) in packages {
        server.publish("v1/main", &Package::new(name, version));
    }
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    assert_eq!(apk.search(&[]).len(), packages.len());
    let names = packages.map(|(name, _)| name);
    apk.expect(&[&["add"], &names[..]].concat());
    for (name, version) in packages {
        let installed = apk.installed(&format!("usr/share/tarn/{name}"));
        assert_eq!(installed.as_deref(), Some(version), "{name}");
    }
    let folder = apk.fetched();
    let target = ["fetch", "--output", folder.to_str().unwrap()];
    apk.expect(&[&target, &names[..]].concat());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), packages.len());
}
