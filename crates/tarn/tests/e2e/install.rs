//! The main job: a package goes in by `curl` and comes out by `apk add`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use tarn_testkit::must_say;

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, package::hex, server::PASSWORD, shell,
};

#[test]
fn the_key_has_the_name_that_signs_the_index() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));

    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/api/packages/Admin/alpine/key", server.base);
    let curl = std::process::Command::new("curl")
        .args(["-q", "-sSf", "--noproxy", "*", "-JO", &url])
        .current_dir(folder.path())
        .status();
    assert!(curl.unwrap().success());
    let saved: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(saved.len(), 1);
    let saved = saved.into_iter().next().unwrap().unwrap();
    let name = saved.file_name().into_string().unwrap();

    let pem = std::fs::read_to_string(saved.path()).unwrap();
    let inner: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let fingerprint = hex(&Sha256::digest(STANDARD.decode(inner).unwrap()));
    assert_eq!(name, format!("admin@{fingerprint}.rsa.pub"));
    assert_eq!(
        server.index("v1/main").signatures,
        [format!(".SIGN.RSA256.{name}")]
    );

    let repositories = [server.repository("v1/main")];
    let untrusting = Apk::new(&alpine, &repositories);
    untrusting.must_refuse(&["search"]);
    let trusting = untrusting.trusting(&server, "admin", "");
    assert_eq!(trusting.search(&[]), ["hello-1.0-r0"]);
}

#[test]
fn apk_finds_installs_upgrades_fetches_and_verifies() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let library = Package::new("libhello", "2.0-r1").field("provides", "so:libhello.so.2=2.0");
    server.publish("v1/main", &library);
    let old = Package::new("hello", "1.0-r0").field("depend", "so:libhello.so.2");
    server.publish("v1/main", &old);

    let repository = server.repository("v1/main");
    let apk = Apk::of(&server, &alpine, &repository);
    let updated = apk.expect(&["update"]);
    must_say(&updated, "OK: 2 distinct packages available");
    assert_eq!(apk.search(&["hello"]), ["hello-1.0-r0", "libhello-2.0-r1"]);
    let policy = apk.expect(&["policy", "hello"]);
    assert_eq!(
        policy,
        format!("hello policy:\n  1.0-r0:\n    {repository}\n")
    );

    apk.expect(&["add", "hello"]);
    apk.must_have("usr/share/tarn/hello", "1.0-r0");
    apk.must_have("usr/share/tarn/libhello", "2.0-r1");

    let new = Package::new("hello", "1.1-r0").field("depend", "so:libhello.so.2");
    server.publish("v1/main", &new);
    let upgraded = apk.expect(&["upgrade"]);
    must_say(&upgraded, "Upgrading hello (1.0-r0 -> 1.1-r0)");
    apk.must_have("usr/share/tarn/hello", "1.1-r0");
    apk.expect(&["add", "hello=1.0-r0"]);
    apk.must_have("usr/share/tarn/hello", "1.0-r0");

    let folder = apk.fetched();
    let target = folder.to_str().unwrap();
    apk.expect(&["fetch", "--output", target, "hello"]);
    let file = folder.join("hello-1.1-r0.apk");
    assert_eq!(std::fs::read(&file).unwrap(), new.bytes());
    let verified = apk.expect(&["verify", "--allow-untrusted", file.to_str().unwrap()]);
    assert!(verified.contains("OK"), "{verified}");
}

#[test]
fn scripts_run_in_a_whole_root() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let package = Package::new("scripted", "1.0-r0")
        .script(
            ".pre-install",
            "#!/bin/sh\necho \"pre $1\" >> /scripts-ran\n",
        )
        .script(
            ".post-install",
            "#!/bin/sh\necho \"post $1\" >> /scripts-ran\n",
        )
        .script(
            ".post-upgrade",
            "#!/bin/sh\necho \"up $1 $2\" >> /scripts-ran\n",
        )
        .script(
            ".trigger",
            "#!/bin/sh\necho \"trigger $*\" >> /scripts-ran\n",
        )
        .field("triggers", "/usr/share/tarn");
    server.publish("v1/main", &package);
    let apk = Apk::with_whole_root(&alpine, &[server.repository("v1/main")]);
    let apk = apk.trusting(&server, "admin", "");
    apk.expect(&["add", "scripted"]);
    let ran = apk
        .installed("scripts-ran")
        .expect("the scripts wrote a file");
    assert_eq!(ran, "pre 1.0-r0\npost 1.0-r0\ntrigger /usr/share/tarn\n");
}

#[test]
fn the_commands_of_the_first_run_work_with_what_a_stock_alpine_has() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let log = server.log();
    let commands: Vec<&str> = log
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| {
            ["curl ", "wget ", "echo "]
                .iter()
                .any(|word| line.starts_with(word))
        })
        .collect();
    let [publish, fetch_key, install] = commands.as_slice() else {
        panic!("{log}");
    };
    let folder = tempfile::tempdir().unwrap();
    let hello = Package::new("hello", "1.0-r0");
    std::fs::write(folder.path().join(hello.file_name()), hello.bytes()).unwrap();
    let password = [("TARN_ADMIN_PASSWORD", PASSWORD)];
    shell(publish, folder.path(), &password);

    // The repositories of Alpine itself are out of reach, and curl is not there.
    let apk = Apk::stock(&alpine);
    let _ = std::fs::remove_file(apk.root().join("usr/bin/curl"));
    let typed = apk.inside(&format!("{fetch_key}\n{install}"), &[]);
    assert!(typed.success, "{typed:?}");
    apk.must_have("usr/share/tarn/hello", "1.0-r0");
}

#[test]
fn a_repository_may_be_nested_names_with_dots_dashes_and_plus() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let names = ["v3.23/main", "edge/testing_1", "my-branch/a+b", "1/2"];
    for (number, name) in names.iter().enumerate() {
        server.publish(name, &Package::new(&format!("in{number}"), "1-r0"));
    }
    let repositories = names.map(|name| server.repository(name));
    let apk = Apk::new(&alpine, &repositories).trusting(&server, "admin", "");
    assert_eq!(
        apk.search(&[]),
        ["in0-1-r0", "in1-1-r0", "in2-1-r0", "in3-1-r0"]
    );
    apk.expect(&["add", "in0", "in1", "in2", "in3"]);
}

#[test]
fn one_owner_has_one_key_for_all_repositories_and_another_owner_another() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.add_user("alice", "public");
    server.publish("v1/main", &Package::new("of-admin", "1-r0"));
    let package = Package::new("of-alice", "1-r0").bytes();
    server.upload("alice", "v1/main", &package).expect(201);

    let repositories = [
        server.repository("v1/main"),
        server.repository_of("alice", "v1/main"),
    ];
    let apk = Apk::new(&alpine, &repositories).trusting(&server, "admin", "");
    let half = apk.run(&["search"]);
    assert!(half.output.contains("of-admin-1-r0"), "{}", half.output);
    assert!(!half.output.contains("of-alice-1-r0"), "{}", half.output);
    let apk = apk.trusting(&server, "alice", "");
    assert_eq!(apk.search(&[]), ["of-admin-1-r0", "of-alice-1-r0"]);
}

#[test]
fn apk_installs_by_way_of_the_v3_index() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let library = Package::new("libhello", "2.0-r1").field("provides", "so:libhello.so.2=2.0");
    server.publish("v1/main", &library.arch("noarch"));
    let hello = Package::new("hello", "1.0-r0").field("depend", "so:libhello.so.2");
    server.publish("v1/main", &hello);

    let url = server.repository("v1/main");
    for line in [
        format!("v3 {url}"),
        format!("{url}/x86_64/Packages.adb"),
        format!("{url}/x86_64/packages.adb"),
    ] {
        let apk = Apk::of(&server, &alpine, &line);
        assert_eq!(
            apk.search(&[]),
            ["hello-1.0-r0", "libhello-2.0-r1"],
            "{line}"
        );
        apk.expect(&["add", "hello"]);
        let installed = apk.installed("usr/share/tarn/hello");
        assert_eq!(installed.as_deref(), Some("1.0-r0"), "{line}");
    }
}
