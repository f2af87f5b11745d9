//! `tarn push`, `tarn install-key` and `tarn import index` against a server, with the real apk behind them.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use apk::sign::{KeySize, SigningKey};

use tarn_testkit::{Line as _, block_of, must_say};

use crate::{
    harness::{Apk, Package, Server, alpine_or_leave_out, apk::bare, server::TARN, shell},
    tls::{certificate, folder_with, start},
};

/// How a command of `tarn` ended, and what it said.
#[derive(Debug)]
struct Ended {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a command that needs no data folder, as a user without settings of their own.
fn tarn(home: &Path, line: &str, token: &str) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_tarn"))
        .args(line.words())
        .env("HOME", home)
        .env("NO_PROXY", "*")
        .env("TARN_TOKEN", token)
        .output()
        .unwrap();
    Ended {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn what_push_publishes_over_tls_apk_installs_with_the_key_of_install_key() {
    let alpine = found!(alpine_or_leave_out());
    let folder = folder_with("first");
    let server = start(folder.path());
    let token = server.add_token("admin", "write:package");
    let home = folder.path();
    let push = |line: &str| tarn(home, &format!("push {line}"), &token);
    // The certificate is for this name and not known; what asks whether the server is there does not mind.
    let healthy = tarn(home, &format!("health --url {}", server.base), "");
    assert_eq!(healthy.exit, Some(0), "{healthy:?}");
    let mut files = Vec::new();
    for (name, arch) in [
        ("hello", "x86_64"),
        ("world", "x86_64"),
        ("anywhere", "noarch"),
    ] {
        let package = Package::new(name, "1.0-r0").arch(arch);
        let package = package.file(&format!("usr/bin/{name}"), name);
        files.push(package.write_into(home).display().to_string());
    }
    // One of the other format.
    let modern = apk_testkit::v3::PackageBuilder::new("modern", "1.0-r0")
        .build()
        .unwrap();
    let path = home.join("modern.apk");
    fs::write(&path, modern).unwrap();
    files.push(path.display().to_string());
    let to = format!("{}/admin/v1/main", server.base);
    let all = format!("--to {to} --wait {}", files.join(" "));
    let refused = push(&format!("{all} --retries 0"));
    let said = refused.stderr;
    assert_eq!(refused.exit, Some(1), "{said}");
    must_say(&said, "authority that this machine does not know");
    must_say(&said, "--ca-file");

    // What is wrong can't pass, and is not tried again.
    let plain = to.replacen("https://", "http://", 1);
    let said = push(&format!("--to {plain} {}", files[0])).stderr;
    must_say(&said, " did not answer with HTTP: ");
    must_say(&said, "write https://");
    assert!(!said.contains("trying again"), "{said}");
    let own_folder = folder_with("authority");
    let own = start(own_folder.path());
    let refused = push(&format!(
        "--to {}/admin/v1/main {} --ca-file {}",
        own.base,
        files[0],
        certificate("authority").display()
    ));
    let said = refused.stderr;
    must_say(&said, "is that of an authority, not of a server");
    must_say(&said, "caused by: ");
    must_say(&said, "CA:FALSE");
    drop(own);

    let authority = certificate("first");
    let authority = authority.to_str().unwrap();
    let pushed = push(&format!("{all} --ca-file {authority}"));
    assert_eq!(pushed.exit, Some(0), "{pushed:?}");
    assert_eq!(pushed.stdout.matches("published https://").count(), 4);

    let repository = server.repository("v1/main");
    let repository = repository.replace("127.0.0.1", "localhost");
    let apk = Apk::new(&alpine, &[repository]).env("SSL_CERT_FILE", authority);
    let keys = apk.keys();
    let owner = format!("{}/admin", server.base);
    let into = format!("--keys-dir {} --ca-file {authority}", keys.display());
    let installed = tarn(home, &format!("install-key {owner} {into}"), "");
    assert_eq!(installed.exit, Some(0), "{installed:?}");
    apk.expect(&["add", "hello", "world", "anywhere"]);
    apk.must_have("usr/bin/anywhere", "anywhere");

    // The lines of the documents, with another package.
    symlink(&*TARN, home.join("tarn")).unwrap();
    fs::create_dir(home.join("out")).unwrap();
    Package::new("later", "1.0-r0").write_into(&home.join("out"));
    let variables = [
        ("TARN_TOKEN", token.as_str()),
        ("TARN_CA_FILE", authority),
        ("HOME", home.to_str().unwrap()),
    ];
    let shell = |block: &str| {
        let block = block
            .replace("export TARN_TOKEN=…", "")
            .replace("https://HOST/acme/v3.23/main", &to)
            .replace("https://packages.example.org/acme/v3.23/main", &to)
            .replace("https://packages.example.org/acme", &owner);
        shell(&block, home, &variables)
    };
    let said = shell(&block_of("docs/ci.md", "--wait out/*.apk"));
    assert!(said.starts_with("published https://"), "{said}");
    let said = shell(&block_of("docs/client.md", "export TARN_TOKEN"));
    assert!(said.starts_with("unchanged https://"), "{said}");
    fs::remove_dir_all(&keys).unwrap();
    let install = block_of("docs/client.md", "tarn install-key");
    let keys = keys.display();
    shell(&format!("{} --keys-dir {keys}", install.trim_end()));
    apk.expect(&["add", "later"]);
}

#[test]
fn clients_of_an_imported_repository_notice_nothing() {
    let alpine = found!(alpine_or_leave_out());
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repo/x86_64");
    fs::create_dir_all(&repository).unwrap();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let private = folder.path().join("builder@example.org-5f.rsa");
    fs::write(&private, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    // The index that apk itself makes of them.
    let mut line = format!("mkndx --allow-untrusted --sign-key {}", private.display());
    line += &format!(" --output {}/Packages.adb", repository.display());
    for version in ["1.0-r0", "1.1-r0"] {
        let package = Package::new("hello", version).file("usr/bin/hello", version);
        line += &format!(" {}", package.write_into(&repository).display());
    }
    let made = bare(&alpine, &line.words());
    assert!(made.success, "{}", made.output);

    let client = |line: String| {
        let apk = Apk::new(&alpine, &[line]);
        let name = apk.keys().join("builder@example.org-5f.rsa.pub");
        fs::write(name, key.public_key().to_pem()).unwrap();
        apk.expect(&["add", "hello"]);
        apk.must_have("usr/bin/hello", "1.1-r0");
        apk.search(&[])
    };
    let before = client(format!("v3 {}", folder.path().join("repo").display()));

    let server = Server::start();
    let stopped = server.stop();
    let import = format!(
        "import index {} --data-dir {} --owner admin --branch v1 --repository main --signing-key {}",
        folder.path().join("repo").display(),
        stopped.data_folder().display(),
        private.display()
    );
    let imported = tarn(folder.path(), &import, "");
    assert_eq!(imported.exit, Some(0), "{imported:?}");
    assert_eq!(imported.stdout.matches("imported ").count(), 2);
    let server = stopped.start();
    assert_eq!(
        client(format!("v3 {}", server.repository("v1/main"))),
        before
    );
    assert_eq!(client(server.repository("v1/main")), before);
}
