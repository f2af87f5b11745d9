//! What tools ask for beside packages and indexes: lists of files, the script that sets a repository up, the keys' discovery; and
//! where browsers are sent.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use apk::{sign::PublicKey, v3::schema::package as slot};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    client::{get, head},
    pages::page,
    server::{ALICE, BY, TestServer, expect, name, package, password},
    v3_packages::built,
};
use tarn_store::metadata::{KeyType, OwnerKind, Visibility};

fn links(text: &str) -> Vec<&str> {
    let links = text.split("<a href=\"").skip(1);
    links.filter_map(|link| link.split('"').next()).collect()
}

#[tokio::test]
async fn a_folder_of_packages_is_listed() {
    let server = TestServer::with_hello().await;
    for (repository, file) in [
        ("edge/main", package("zsh", "noarch")),
        ("edge/main", package("aarch", "aarch64")),
    ] {
        server.publish(repository, file).await.expect(201);
    }
    let moved = format!("{ALICE}/edge/main/x86_64");
    let moved = server.send(&get(moved)).await.expect(301);
    let folder = format!("{ALICE}/edge/main/x86_64/");
    assert_eq!(moved.header("Location"), Some(&*folder));

    let list = server.send(&get(&folder)).await.expect(200);
    let media_type = Some("text/html; charset=utf-8");
    assert_eq!(list.header("Content-Type"), media_type);
    assert_eq!(list.header("Cache-Control"), Some("public, no-cache"));
    let text = list.text();
    let files = ["hello-1.0-r0.apk", "zsh-1.0-r0.apk"];
    let expected = ["/alice/edge/main", "APKINDEX.tar.gz", "Packages.adb"];
    assert_eq!(links(&text), [&expected[..], &files].concat());
    assert!(text.ends_with("</html>\n"));
    for link in &links(&text)[1..] {
        expect(&server, &head(format!("{folder}{link}")), 200).await;
    }
    // Files of noarch are in every folder. Without one there are only the architectures with packages.
    let riscv = server
        .send(&get(format!("{ALICE}/edge/main/riscv64/")))
        .await;
    assert_eq!(links(&riscv.expect(200).text())[3..], ["zsh-1.0-r0.apk"]);
    let noarch = server
        .send(&get(format!("{ALICE}/edge/main/noarch/")))
        .await;
    assert_eq!(links(&noarch.expect(200).text())[1..], ["zsh-1.0-r0.apk"]);
    for (path, words) in [
        ("v3.23/main/x86_64/", "no such index"),
        ("edge/main/not%20one/", "architecture"),
    ] {
        let answer = server.send(&get(format!("{ALICE}/{path}"))).await;
        assert!(matches!(answer.status, 400 | 404), "{path}");
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_browser_is_sent_from_a_repository_to_its_page() {
    let server = TestServer::start_with(|settings| {
        settings.base_url = Some("https://packages.example/tarn".to_owned());
    })
    .await;
    for file in [package("hello", "x86_64"), package("hello-doc", "noarch")] {
        server.publish("edge/main", file).await.expect(201);
    }
    let gitea = "/alice/-/packages";
    for (target, location) in [
        (format!("{ALICE}/edge/main"), "/tarn/alice/edge/main"),
        (format!("{ALICE}/edge/main/"), "/tarn/alice/edge/main"),
        (gitea.to_owned(), "/tarn/alice"),
        (
            format!("{gitea}/alpine/hello"),
            "/tarn/alice/edge/main/hello",
        ),
        (
            format!("{gitea}/alpine/hello/1.0-r0"),
            "/tarn/alice/edge/main/hello/1.0-r0",
        ),
        ("/alice/edge".to_owned(), "/tarn/alice"),
    ] {
        let answer = server.send(&page(&target)).await.expect(302);
        assert_eq!(answer.header("Location"), Some(location), "{target}");
    }
    expect(&server, &page(&format!("{gitea}/alpine/nothing")), 404).await;
    let apk = server.send(&get(format!("{ALICE}/edge/main"))).await;
    assert_eq!(apk.expect(405).header("Allow"), Some("PUT"));
    let robots = server.send(&get("/robots.txt")).await.expect(200);
    assert!(robots.text().contains("Disallow: /api/\n"));
}

#[tokio::test]
async fn the_pages_of_a_renamed_owner_are_found() {
    let server = TestServer::with_hello().await;
    let (old, new) = (crate::server::name("alice"), crate::server::name("alicia"));
    let accounts = server.accounts();
    accounts
        .rename(OwnerKind::User, &old, &new, &crate::server::BY)
        .await
        .unwrap();
    let moved = server.send(&page("/alice/edge/main?sort=newest")).await;
    let location = Some("/alicia/edge/main?sort=newest");
    assert_eq!(moved.expect(301).header("Location"), location);
}

/// Runs the script as root would on an Alpine that has its files below `root`, in whatever shell is here.
fn run(script: &str, root: &Path, auth: Option<&str>) -> (bool, String) {
    let etc = format!("{}/etc/", root.display());
    let script = script
        .replace("/etc/", &etc)
        .replace("command -v apk", "true")
        .replace("id -u", "echo 0");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).env("HOME", root);
    shell.env_remove("HTTP_AUTH").env_remove("AUTH");
    if let Some(auth) = auth {
        shell.env("AUTH", auth);
    }
    let output = shell.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// What an Alpine has before.
fn alpine(root: &Path) {
    fs::create_dir_all(root.join("etc/apk")).unwrap();
    fs::write(root.join("etc/alpine-release"), "3.23.0\n").unwrap();
    // Without a newline at the end, as people leave it.
    fs::write(root.join("etc/apk/repositories"), "https://dl.example/main").unwrap();
}

#[tokio::test]
async fn a_script_sets_a_repository_up_once() {
    let server = TestServer::with_hello().await;
    let answer = server.send(&get(format!("{ALICE}/edge/main/setup"))).await;
    let answer = answer.expect(200);
    let media_type = Some("text/plain; charset=utf-8");
    assert_eq!(answer.header("Content-Type"), media_type);
    let script = answer.text();
    let checked = Command::new("sh").args(["-n", "-c", &script]).status();
    assert!(checked.unwrap().success());

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (done, said) = run(&script, root, None);
    assert!(
        !done && said.contains("not Alpine Linux; nothing was changed"),
        "{said}"
    );
    alpine(root);
    for _ in 0..2 {
        let (done, said) = run(&script, root, None);
        assert!(done, "{said}");
    }
    let lines = fs::read_to_string(root.join("etc/apk/repositories")).unwrap();
    let line = "http://registry.test/api/packages/alice/alpine/edge/main";
    assert_eq!(lines, format!("https://dl.example/main\n{line}\n"));
    let key = server.send(&get(format!("{ALICE}/key"))).await;
    let name = key.header("Content-Disposition").unwrap();
    let name = name.split('"').nth(1).unwrap();
    let installed = fs::read(root.join("etc/apk/keys").join(name)).unwrap();
    assert_eq!(installed, key.body);
}

#[tokio::test]
async fn a_script_takes_the_line_that_the_apk_there_needs() {
    let server = TestServer::start().await;
    let v3 = apk_testkit::v3::PackageBuilder::new("tool", "1.0-r1");
    let v3 = built(&v3.text(slot::ARCH, "x86_64"));
    server.publish("edge/main", v3).await.expect(201);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    alpine(root);
    let set_up = async |apk: &str| {
        let script = server.send(&get(format!("{ALICE}/edge/main/setup"))).await;
        let script = script.expect(200).text();
        let script = script.replace("apk --version", &format!("echo 'apk-tools {apk}'"));
        run(&script, root, None)
    };
    let lines = || {
        let lines = fs::read_to_string(root.join("etc/apk/repositories")).unwrap();
        lines.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let line = "http://registry.test/api/packages/alice/alpine/edge/main";
    let (done, said) = set_up("2.14.4, compiled for x86_64.").await;
    assert!(!done && said.contains("are for apk 3"), "{said}");
    assert!(!root.join("etc/apk/keys").exists());
    for (apk, expected) in [
        ("3.0.8-r0, compiled for x86_64.", format!("v3 {line}")),
        // Once there are others, too.
        ("2.14.4, compiled for x86_64.", line.to_owned()),
        ("3.0.8-r0, compiled for x86_64.", format!("v3 {line}")),
    ] {
        let (done, said) = set_up(apk).await;
        assert!(done, "{said}");
        assert_eq!(lines(), [expected]);
        let hello = package("hello", "x86_64");
        server.publish("edge/main", hello).await;
    }
}

#[tokio::test]
async fn a_script_for_a_private_repository_asks_for_credentials() {
    let server = TestServer::start().await;
    server.add_user("carol", Visibility::Private).await;
    let path = "/api/packages/carol/alpine/edge/main";
    let hello = package("hello", "x86_64");
    server
        .publish_by("carol", "carol/alpine/edge/main", hello)
        .await;
    let setup = get(format!("{path}/setup"));
    server.send(&setup).await.refusal(401, "");
    let script = server.send(&setup.basic("carol", &password("carol"))).await;
    let script = script.expect(200).text();

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    alpine(root);
    for (auth, words) in [
        (None, "run this with AUTH=USER:TOKEN"),
        (Some("carol:a b"), "AUTH has to be USER:TOKEN"),
        (Some("carol:$(reboot)"), "AUTH has to be USER:TOKEN"),
    ] {
        let (done, said) = run(&script, root, auth);
        assert!(!done && said.contains(words), "{said}");
    }
    assert!(!root.join("etc/apk/keys").exists());
    // A new token takes the place of the old one.
    for token in ["first", "second"] {
        let (done, said) = run(&script, root, Some(&format!("carol:{token}")));
        assert!(done, "{said}");
    }
    let lines = fs::read_to_string(root.join("etc/apk/repositories")).unwrap();
    let line = "http://carol:second@registry.test/api/packages/carol/alpine/edge/main";
    assert_eq!(lines, format!("https://dl.example/main\n{line}\n"));
}

#[tokio::test]
async fn apko_finds_the_keys_that_sign() {
    let server = TestServer::with_hello().await;
    let configuration = format!("{ALICE}/edge/main/apk-configuration");
    let configuration = server.send(&get(configuration)).await.expect(200).json();
    let keys = "http://registry.test/api/packages/alice/alpine/jwks.json";
    assert_eq!(configuration, serde_json::json!({ "jwks_uri": keys }));
    let keys = server.send(&get(format!("{ALICE}/jwks.json"))).await;
    let keys = keys.expect(200).json();
    let [key] = keys["keys"].as_array().unwrap().as_slice() else {
        panic!("{keys}");
    };
    let pem = server.send(&get(format!("{ALICE}/key"))).await;
    let first = format!("{}.rsa.pub", key["kid"].as_str().unwrap());
    assert!(pem.header("Content-Disposition").unwrap().contains(&first));
    let public = PublicKey::from_pem(&pem.body).unwrap();
    let number = |field: &str| {
        URL_SAFE_NO_PAD
            .decode(key[field].as_str().unwrap())
            .unwrap()
    };
    assert_eq!(public.rsa_numbers(), Some((number("n"), number("e"))));
    assert_eq!(key["kty"], "RSA");
    assert_eq!(number("e"), [1, 0, 1]);
    assert_eq!(number("n").len(), 256);

    // Every active RSA key is there, and neither one of another type nor one that signs nothing any more.
    let alice = server.registry.metadata().owner(&name("alice")).await;
    let alice = alice.unwrap().unwrap();
    let keys = server.registry.keys();
    let kids = async || {
        let found = server.send(&get(format!("{ALICE}/jwks.json"))).await;
        let found = found.expect(200).json();
        let found = found["keys"].as_array().unwrap();
        let kids = found.iter().map(|key| key["kid"].as_str().unwrap());
        kids.map(|kid| format!("{kid}.rsa.pub"))
            .collect::<BTreeSet<_>>()
    };
    keys.rotate(&alice, KeyType::EcP256, &BY).await.unwrap();
    let new = keys.rotate(&alice, KeyType::Rsa, &BY).await.unwrap();
    let new = new.name.to_string();
    assert_eq!(kids().await, BTreeSet::from([first.clone(), new.clone()]));
    let first = first.parse().unwrap();
    keys.retire(&alice, &first, &BY).await.unwrap();
    assert_eq!(kids().await, BTreeSet::from([new]));
}
