//! `tarn push`, `tarn install-key` and `tarn import index` against a server, with the real apk behind them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use apk::sign::{KeySize, SigningKey};

use tarn_testkit::block_of;

use crate::{
    harness::{Apk, Package, Server, alpine_or_leave_out, apk::bare, server::TARN},
    tls::{certificate, folder_with, start},
};

/// Runs a command that needs no data folder, as a user without settings of their own.
fn tarn(home: &Path, arguments: &[&str], token: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tarn"))
        .args(arguments)
        .env("HOME", home)
        .env("NO_PROXY", "*")
        .env("TARN_TOKEN", token)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_push_publishes_over_tls_apk_installs_with_the_key_of_install_key() {
    let alpine = found!(alpine_or_leave_out());
    let folder = folder_with("first");
    let server = start(folder.path());
    let token = server.add_token("admin", "write:package");
    // The certificate is for this name and not known; what asks whether the server is there does not mind.
    let healthy = tarn(folder.path(), &["health", "--url", &server.base], "");
    assert!(healthy.status.success(), "{}", text(&healthy.stderr));
    let mut files = Vec::new();
    for name in ["hello", "world", "anywhere"] {
        let arch = if name == "anywhere" {
            "noarch"
        } else {
            "x86_64"
        };
        let package = Package::new(name, "1.0-r0")
            .arch(arch)
            .file(&format!("usr/bin/{name}"), name);
        files.push(
            package
                .write_into(folder.path())
                .to_str()
                .unwrap()
                .to_owned(),
        );
    }
    // One of the other format.
    let modern = apk_testkit::v3::PackageBuilder::new("modern", "1.0-r0")
        .build()
        .unwrap();
    let path = folder.path().join("modern.apk");
    fs::write(&path, modern).unwrap();
    files.push(path.to_str().unwrap().to_owned());
    let to = format!("{}/admin/v1/main", server.base);
    let mut arguments = vec!["push", "--to", &to, "--wait"];
    arguments.extend(files.iter().map(String::as_str));
    let refused = tarn(
        folder.path(),
        &[&arguments[..], &["--retries", "0"]].concat(),
        &token,
    );
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("authority that this machine does not know") && said.contains("--ca-file"),
        "{said}"
    );

    // What is wrong can't pass, and is not tried again.
    let plain = to.replacen("https://", "http://", 1);
    let refused = tarn(folder.path(), &["push", "--to", &plain, &files[0]], &token);
    let said = text(&refused.stderr);
    assert!(
        said.contains(" did not answer with HTTP: ") && said.contains("write https://"),
        "{said}"
    );
    assert!(!said.contains("trying again"), "{said}");
    let own_folder = folder_with("authority");
    let own = start(own_folder.path());
    let own_to = format!("{}/admin/v1/main", own.base);
    let own_authority = certificate("authority");
    let arguments_of_own = [
        "push",
        "--to",
        &own_to,
        &files[0],
        "--ca-file",
        own_authority.to_str().unwrap(),
    ];
    let refused = tarn(folder.path(), &arguments_of_own, &token);
    let said = text(&refused.stderr);
    assert!(
        said.contains("is that of an authority, not of a server"),
        "{said}"
    );
    assert!(
        said.contains("caused by: ") && said.contains("CA:FALSE"),
        "{said}"
    );
    drop(own);

    let authority = certificate("first");
    let authority = ["--ca-file", authority.to_str().unwrap()];
    let pushed = tarn(
        folder.path(),
        &[&arguments[..], &authority].concat(),
        &token,
    );
    let said = text(&pushed.stderr);
    assert!(pushed.status.success(), "{said}");
    assert_eq!(
        text(&pushed.stdout).matches("published https://").count(),
        4
    );

    let apk = Apk::new(
        &alpine,
        &[server
            .repository("v1/main")
            .replace("127.0.0.1", "localhost")],
    )
    .env("SSL_CERT_FILE", certificate("first").to_str().unwrap());
    let keys = apk.keys();
    let owner = format!("{}/admin", server.base);
    let install = ["install-key", &owner, "--keys-dir", keys.to_str().unwrap()];
    let installed = tarn(folder.path(), &[&install[..], &authority].concat(), "");
    assert!(installed.status.success(), "{}", text(&installed.stderr));
    apk.expect(&["add", "hello", "world", "anywhere"]);
    apk.must_have("usr/bin/anywhere", "anywhere");

    // The lines of the documents, with another package.
    let home = folder.path();
    symlink(&*TARN, home.join("tarn")).unwrap();
    fs::create_dir(home.join("out")).unwrap();
    Package::new("later", "1.0-r0").write_into(&home.join("out"));
    let shell = |block: &str| {
        let block = block
            .replace("export TARN_TOKEN=…", "")
            .replace("https://HOST/acme/v3.23/main", &to)
            .replace("https://packages.example.org/acme/v3.23/main", &to)
            .replace("https://packages.example.org/acme", &owner);
        let mut shell = Command::new("sh");
        shell.args(["-euc", &block]).current_dir(home);
        shell.env("PATH", format!("{}:/usr/bin:/bin", home.display()));
        shell.envs([("TARN_TOKEN", token.as_str()), ("NO_PROXY", "*")]);
        shell
            .env("TARN_CA_FILE", certificate("first"))
            .env("HOME", home);
        let ended = shell.output().unwrap();
        assert!(ended.status.success(), "{block}: {}", text(&ended.stderr));
        text(&ended.stdout)
    };
    let said = shell(&block_of("docs/ci.md", "--wait out/*.apk"));
    assert!(said.starts_with("published https://"), "{said}");
    let said = shell(&block_of("docs/client.md", "export TARN_TOKEN"));
    assert!(said.starts_with("unchanged https://"), "{said}");
    fs::remove_dir_all(&keys).unwrap();
    let install = block_of("docs/client.md", "tarn install-key");
    shell(&format!(
        "{} --keys-dir {}",
        install.trim_end(),
        keys.display()
    ));
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
    let mut packages = Vec::new();
    for version in ["1.0-r0", "1.1-r0"] {
        let package = Package::new("hello", version).file("usr/bin/hello", version);
        packages.push(package.write_into(&repository).to_str().unwrap().to_owned());
    }
    // The index that apk itself makes of them.
    let index = repository.join("Packages.adb");
    let mut arguments = vec![
        "mkndx",
        "--allow-untrusted",
        "--sign-key",
        private.to_str().unwrap(),
    ];
    arguments.extend(["--output", index.to_str().unwrap()]);
    arguments.extend(packages.iter().map(String::as_str));
    let made = bare(&alpine, &arguments);
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
    let data = server.data_folder().to_str().unwrap().to_owned();
    let stopped = server.stop();
    let source = folder.path().join("repo");
    let mut import = vec![
        "import",
        "index",
        source.to_str().unwrap(),
        "--data-dir",
        &data,
    ];
    import.extend(["--owner", "admin", "--branch", "v1", "--repository", "main"]);
    import.extend(["--signing-key", private.to_str().unwrap()]);
    let imported = tarn(folder.path(), &import, "");
    assert!(
        imported.status.success(),
        "{}{}",
        text(&imported.stdout),
        text(&imported.stderr)
    );
    assert_eq!(text(&imported.stdout).matches("imported ").count(), 2);
    let server = stopped.start();
    assert_eq!(
        client(format!("v3 {}", server.repository("v1/main"))),
        before
    );
    assert_eq!(client(server.repository("v1/main")), before);
}
