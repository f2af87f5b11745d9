//! What the documents tell readers to type: the first screen of the README, the tutorial, the examples for CI.

use std::{fs, path::Path};

use tarn_testkit::block_of;
use tempfile::TempDir;

use crate::{
    build_tools::{Work, key_of},
    harness::{
        Apk, Mkpkg, Package, Server, alpine_or_leave_out,
        apk::bare,
        curl_or_leave_out,
        server::{ADMIN, TARN, credentials_of},
        shell, tools,
    },
};

/// The `wget` of a stock Alpine, as a function of the shell.
fn wget_of(alpine: &Path) -> String {
    format!(
        "wget() {{ {root}/lib/ld-musl-x86_64.so.1 --library-path {root}/lib:{root}/usr/lib {root}/bin/busybox wget \"$@\"; }}\n",
        root = alpine.display()
    )
}

/// Runs a block that is typed on a stock Alpine, up to where apk installs: the harness has an apk with a root of its own.
fn on_alpine(alpine: &Path, apk: &Apk, server: &Server, block: &str) {
    let wget = wget_of(alpine);
    let repositories = apk.keys().with_file_name("repositories");
    let (fetch, install) = block.split_once(" && apk add").unwrap();
    assert_eq!(install.trim_end(), " --update-cache hello");
    let fetch = with_server(fetch, server)
        .replace("/etc/apk/keys", apk.keys().to_str().unwrap())
        .replace("/etc/apk/repositories", repositories.to_str().unwrap())
        .replace("KEY", &key_of(server));
    shell(&format!("{wget}{fetch}"), Path::new("/"), &[]);
}

/// A block about a server on this machine.
fn with_server(block: &str, server: &Server) -> String {
    block
        .replace("admin:PASSWORD", ADMIN)
        .replace("http://127.0.0.1:8080", &server.base)
        .replace("http://HOST:8080", &server.base)
}

#[test]
fn the_first_screen_of_the_readme_is_true() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let folder = TempDir::new().unwrap();
    Package::new("hello", "1.0-r0")
        .file("usr/bin/hello", "hello")
        .write_into(folder.path());
    let publish = block_of(
        "README.md",
        "curl -sS --fail-with-body --user admin:PASSWORD",
    );
    shell(&with_server(&publish, &server), folder.path(), &[]);
    let apk = Apk::new(&alpine, &[]);
    let install = block_of("README.md", "wget -O /etc/apk/keys/KEY");
    on_alpine(&alpine, &apk, &server, &install);
    apk.expect(&["add", "hello"]);
    apk.must_have("usr/bin/hello", "hello");
}

#[test]
fn the_tutorial_is_true() {
    let (Some(nfpm), Some(alpine)) = (tools::nfpm_or_leave_out(), alpine_or_leave_out()) else {
        return;
    };
    let server = Server::start();
    let work = Work::new(&server, &nfpm);
    std::os::unix::fs::symlink(&*TARN, work.at("bin/tarn")).unwrap();
    let settings = block_of("docs/tutorial.md", "# nfpm.yaml");
    let make = block_of("docs/tutorial.md", "nfpm package");
    let publish = block_of("docs/tutorial.md", "--upload-file hello.apk");
    let publish = with_server(&publish, &server);
    work.write("nfpm.yaml", &settings);
    let said = work.expect(&make);
    assert!(said.contains("hello") && said.contains("1.0.0"), "{said}");
    work.expect(&publish);
    let apk = Apk::new(&alpine, &[]);
    let install = block_of("docs/tutorial.md", "wget -O /etc/apk/keys/KEY");
    on_alpine(&alpine, &apk, &server, &install);
    apk.expect(&["add", "hello"]);
    apk.must_have("usr/bin/hello", "#!/bin/sh\necho hello\n");

    let newer = settings.replace("version: 1.0.0", "version: 1.0.1");
    work.write("nfpm.yaml", &newer);
    work.expect(&make);
    work.expect(&publish);
    for command in block_of("docs/tutorial.md", "apk update && apk upgrade")
        .trim()
        .split(" && ")
    {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        apk.expect(&words);
    }
    let listed = apk.expect(&["list", "--installed"]);
    assert!(listed.contains("hello-1.0.1"), "{listed}");
}

#[test]
fn the_guide_for_openwrt_is_true() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let arch = "aarch64_cortex-a53";
    let folder = TempDir::new().unwrap();
    let feed = folder.path().join("bin/packages").join(arch).join("feed");
    fs::create_dir_all(&feed).unwrap();
    let tool = Mkpkg::of_arch("tool", "1.0-r1", arch).info("depends", "luci-app");
    let app = Mkpkg::of_arch("luci-app", "26.1~0a1b2c3-r1", "noarch");
    for package in [tool, app] {
        package.write_into(&alpine, &feed);
    }
    // As the guide says for images that carry a key of this curve.
    let key = server.tarn("key rotate admin --type ec-p256");
    assert!(key.trim_end().ends_with(".pem"), "{key}");
    let filled_in = |block: &str| {
        block
            .replace("NAME:TOKEN", ADMIN)
            .replace("https://HOST", &server.base)
            .replace("OWNER", "admin")
            .replace("KEY", key.trim_end())
            .replace("PACKAGE", "tool")
    };
    let publish = filled_in(&block_of("docs/openwrt.md", "for file in bin/packages"));
    // What is there is no fault.
    for _ in 0..2 {
        shell(&publish, folder.path(), &[]);
    }

    let apk = Apk::new(&alpine, &[]).arch(arch).by_its_root();
    let etc = apk.root().join("etc/apk");
    for folder in ["keys", "repositories.d"] {
        fs::create_dir_all(etc.join(folder)).unwrap();
    }
    let device = filled_in(&block_of("docs/openwrt.md", "wget -O /etc/apk/keys/KEY"));
    let (of_apk, others): (Vec<&str>, Vec<&str>) =
        device.lines().partition(|line| line.starts_with("apk "));
    let others = others.join("\n").replace("/etc/apk", etc.to_str().unwrap());
    shell(&(wget_of(&alpine) + &others), folder.path(), &[]);
    assert_eq!(of_apk, ["apk update", "apk add tool"]);
    for line in of_apk {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        apk.expect(&words);
    }
    for (name, version) in [("tool", "1.0-r1"), ("luci-app", "26.1~0a1b2c3-r1")] {
        let installed = apk.installed(&format!("usr/share/tarn/{name}"));
        assert_eq!(installed.as_deref(), Some(version));
    }
    // With the key that the device has fetched, and no other.
    fs::remove_dir_all(etc.join("keys")).unwrap();
    apk.must_refuse(&["update"]);

    let json = filled_in(&block_of("docs/openwrt.md", "/index.json"));
    let json = shell(&json, folder.path(), &[]);
    let index = server.alpine("admin", &format!("/25.12/feed/{arch}/packages.adb"));
    let file = folder.path().join("packages.adb");
    fs::write(&file, index.expect(200).body).unwrap();
    let dump = ["adbdump", "--allow-untrusted", "--format", "json"];
    let dump = bare(&alpine, &[&dump[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(json, dump.output);
}

#[test]
fn the_loops_of_ci_services_publish() {
    found!(curl_or_leave_out());
    let server = Server::start();
    server.add_user("alice", "public");
    server.tarn("org add acme --owner alice");
    let words = block_of("docs/ci.md", "tarn token add");
    let words: Vec<&str> = words.split_whitespace().skip(1).collect();
    let token = server.tarn(&words);
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for (number, block) in [
        block_of("docs/ci.md", "for file in out/*.apk"),
        block_of("docs/ci.md", "# .github/workflows/publish.yaml"),
        block_of("docs/ci.md", "# .gitlab-ci.yml"),
        block_of("docs/ci.md", "# .woodpecker/publish.yaml"),
    ]
    .iter()
    .enumerate()
    {
        // One that is there already, and one that is new.
        Package::new("hello", &format!("1.{number}-r0")).write_into(&out);
        let begin = block.find("for file in").unwrap();
        let end = begin + block[begin..].find("done").unwrap() + "done".len();
        let lines = block[begin..end].replace("https://HOST", &server.base);
        shell(&lines, folder.path(), &[("TARN_TOKEN", token.trim())]);
        let path = format!("/v3.23/main/x86_64/hello-1.{number}-r0.apk");
        server
            .alpine("acme", &path)
            .user(&credentials_of("alice"))
            .expect(200);
    }
}
