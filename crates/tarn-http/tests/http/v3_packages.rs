//! v3 packages by the same routes as v2 ones: taken in, refused, listed, sent and deleted.

use std::{fs, path::Path};

use apk::{
    acl::{Acl, Xattr},
    arch::Arch,
    dependency::Dependency,
    limits::Limits,
    sign::{KeyName, SigningKey},
    v2::{index as index_v2, package::Script},
    v3::{container::Compression, index as index_v3, schema::package as slot, signature::KeyId},
};
use apk_testkit::v3::{PackageBuilder, reject_case};
use serde_json::Value;

use crate::{
    client::{delete, get, put},
    pages::{is_page, page},
    server::{ALICE, HELLO, INDEX, TestServer, expect, hello, name, package, password, published},
};

/// The v3 index of edge/main for `x86_64`.
const INDEX_V3: &str = "/api/packages/alice/alpine/edge/main/x86_64/Packages.adb";

fn world() -> PackageBuilder {
    PackageBuilder::new("world", "1.0-r0").file("usr/share/world", b"world\n")
}

pub(crate) fn built(builder: &PackageBuilder) -> Vec<u8> {
    builder.build().unwrap()
}

fn list(text: &str) -> Vec<Dependency> {
    Dependency::parse_list(text).unwrap()
}

/// The names in the index of that path: of the format that its name says.
async fn names(server: &TestServer, path: &str) -> Vec<String> {
    let answer = server.send(&get(path)).await.expect(200);
    let limits = Limits::default();
    if path.ends_with(".adb") {
        let index = index_v3::read_unverified(&answer.body, &limits).unwrap();
        return index
            .packages
            .iter()
            .map(|one| one.facts.name.to_string())
            .collect();
    }
    let index = index_v2::read_unverified(&answer.body, &limits).unwrap();
    index
        .records
        .iter()
        .map(|one| one.name().to_string())
        .collect()
}

#[tokio::test]
async fn a_v3_package_is_taken_in_listed_for_apk_3_alone_sent_and_deleted() {
    let server = TestServer::start().await;
    let file = built(&world());
    server.publish("edge/main", file.clone()).await.expect(201);
    // Where there are only v3 packages, apk 2 has no index to read.
    server.send(&get(INDEX)).await.expect(404);
    assert_eq!(names(&server, INDEX_V3).await, ["world"]);
    server.publish("edge/main", hello()).await.expect(201);
    let before = server.send(&get(INDEX)).await.expect(200);
    assert_eq!(names(&server, INDEX).await, ["hello"]);
    assert_eq!(names(&server, INDEX_V3).await, ["hello", "world"]);
    assert_eq!(
        names(&server, &INDEX_V3.replace("Packages", "packages")).await,
        ["hello", "world"]
    );

    // It comes back as it went in, and the index of v2 does not change with what is none of its.
    let path = HELLO.replace("hello", "world");
    let sent = server.send(&get(&path)).await.expect(200);
    assert_eq!(sent.body, file);
    assert_eq!(
        sent.header("Content-Type"),
        Some("application/octet-stream")
    );
    let more = PackageBuilder::new("more", "1.0-r0").compression(Compression::None);
    server.publish("edge/main", built(&more)).await.expect(201);
    let after = server.send(&get(INDEX)).await.expect(200);
    assert_eq!(after.header("ETag"), before.header("ETag"));
    assert_eq!(
        after.header("Last-Modified"),
        before.header("Last-Modified")
    );

    let gone = delete(&path).basic("alice", &password("alice"));
    server.send(&gone).await.expect(204);
    server.send(&get(&path)).await.expect(404);
    assert_eq!(names(&server, INDEX_V3).await, ["hello", "more"]);
    // zstd at every window that its levels have, up to 128 MiB; apk reads what it was built for.
    for level in [1, 19, 20, 22] {
        let zstd = PackageBuilder::new(&format!("zstd{level}"), "1.0-r0");
        let zstd = zstd.file("usr/share/zstd", b"zstd\n");
        let zstd = built(&zstd.compression(Compression::Zstd).level(level));
        server.publish("edge/main", zstd.clone()).await.expect(201);
        let path = HELLO.replace("hello", &format!("zstd{level}"));
        assert_eq!(server.send(&get(path)).await.expect(200).body, zstd);
    }
    assert_eq!(
        names(&server, INDEX_V3).await,
        ["hello", "more", "zstd1", "zstd19", "zstd20", "zstd22"]
    );
}

#[tokio::test]
async fn pages_show_what_is_in_a_v3_package() {
    let server = TestServer::start().await;
    let file = world()
        .file("usr/share/empty", &vec![0; 8 << 20])
        .symbolic_link("usr/share/link", "../<world>")
        .hard_link("usr/share/worlds", "usr/share/world")
        .acl(
            "usr/share/world",
            Acl {
                mode: 0o4750,
                user: "world".to_owned(),
                group: "<wheel>".to_owned(),
                xattrs: vec![Xattr {
                    name: b"user.<x>".to_vec(),
                    value: b"\x01\xff".to_vec(),
                }],
            },
        )
        .script(Script::PostInstall, "#!/bin/sh\necho '<b>'\n")
        .number(slot::LAYER, 1)
        .tag("greeting");
    let file = built(&file.compression(Compression::Zstd));
    server.publish("edge/main", file).await.expect(201);
    let text = async |path: &str| {
        let answer = server.send(&page(path)).await.expect(200);
        is_page(&answer);
        answer.text()
    };
    let contents = text("/alice/edge/main/world/1.0-r0/x86_64/contents").await;
    for part in [
        "<td class=\"path\"><code>usr/share/world</code><span class=\"below\"><code>user.&#60;x&#62; = 0x01ff</code></span></td>\
         <td class=\"soft\"><code>-rwsr-x---</code></td><td class=\"soft\">world:&#60;wheel&#62;</td>",
        "<code>usr/share/link</code> → <code>../&#60;world&#62;</code>",
        "<code>usr/share/worlds</code> → <code>usr/share/world</code>",
        "8.0 MiB",
        "<h3>post-install</h3>",
        "echo &#39;&#60;b&#62;&#39;",
    ] {
        assert!(contents.contains(part), "{part}\n{contents}");
    }
    let package = text("/alice/edge/main/world").await;
    for part in ["greeting", "v3"] {
        assert!(package.contains(part), "{part}\n{package}");
    }
}

#[tokio::test]
async fn both_formats_share_one_namespace_of_file_names() {
    let server = TestServer::start().await;
    let v3 = |name: &str, arch: &str| {
        let builder = PackageBuilder::new(name, "1.0-r0").text(slot::ARCH, arch);
        built(&builder.file("usr/share/it", b"it\n"))
    };
    server.publish("edge/main", hello()).await.expect(201);
    let refused = server.publish("edge/main", v3("hello", "x86_64")).await;
    refused.refusal(409, "package file already exists, with other bytes");
    // Another architecture is another place.
    published(&server, "edge/main", v3("hello", "aarch64")).await;
    published(&server, "edge/main", v3("docs", "noarch")).await;
    let refused = server.publish("edge/main", package("docs", "x86_64")).await;
    refused.refusal(
        409,
        "a noarch file and one of an architecture exclude each other",
    );
    let refused = server.publish("edge/main", v3("docs", "noarch")).await;
    refused.refusal(409, "with the same bytes");
    let again = put(
        format!("{ALICE}/edge/main?if-exists=same"),
        v3("docs", "noarch"),
    );
    let again = again.basic("alice", &password("alice"));
    server.send(&again).await.expect(200);
    // A noarch package keeps its architecture in the v3 index, and is served for each.
    expect(&server, &get(HELLO.replace("hello", "docs")), 200).await;
    let index = server.send(&get(INDEX_V3)).await.expect(200);
    let index = index_v3::read_unverified(&index.body, &Limits::default()).unwrap();
    let docs = index
        .packages
        .iter()
        .find(|one| one.facts.name.as_str() == "docs");
    assert_eq!(docs.map(|one| &one.facts.arch), Some(&Arch::noarch()));
}

#[tokio::test]
async fn what_apk_3_would_stumble_over_is_400_in_the_words_of_v2_and_leaves_nothing() {
    let server = TestServer::start().await;
    let whole = built(&world());
    let text = |slot, text: &str| built(&world().text(slot, text));
    for (body, words) in [
        (b"ADB".to_vec(), "this is not a v3 package"),
        (b"ADBx\0\0\0\0".to_vec(), "compressed"),
        (whole[..whole.len() / 2].to_vec(), "cut off"),
        ([&whole[..], b"x"].concat(), "bytes after"),
        (b"ADB.indx\0\0\0\0".to_vec(), "this is an index of packages"),
        (text(slot::NAME, "../world"), "name"),
        (text(slot::VERSION, "one"), "version"),
        (text(slot::ARCH, "all"), "write `noarch`"),
        (text(slot::ARCH, "x86/64"), "arch"),
        (
            built(&world().list(slot::PROVIDES, &list("world=2"))),
            "provides: `world=2` is the package itself",
        ),
        (
            built(&world().list(slot::DEPENDS, &list("world>2"))),
            "depends: `world>2` asks for another version of the package itself",
        ),
        (
            text(slot::DESCRIPTION, &"x".repeat(3000)),
            "description: the values of the package make",
        ),
        (
            built(&world().number(slot::LAYER, 2)),
            "layer: 2 is not a layer that apk knows",
        ),
        (
            built(&world().number(slot::PROVIDER_PRIORITY, 65_536)),
            "provider-priority: 65536 is more than apk can keep",
        ),
        (
            // A frame of zstd with a window of 256 MiB, which no level asks for.
            b"ADBc\x02\x16\x28\xb5\x2f\xfd\x00\x90\x01\0\0".to_vec(),
            "zstd needs a window of 268435456 bytes to unpack this ADB file, and apk takes at most 134217728",
        ),
    ] {
        let answer = server.publish("edge/main", body).await;
        answer.refusal(400, words);
    }
    assert_eq!(server.blobs(), 0);
    server.send(&get(INDEX_V3)).await.expect(404);
    // A version that apk can't order is for the owner's rule to decide, as of v2.
    let odd = built(&PackageBuilder::new("odd", "2024.a"));
    server
        .publish("edge/main", odd)
        .await
        .refusal(400, "version");
}

#[tokio::test]
async fn every_wrong_package_of_the_corpus_is_refused_with_its_text_and_leaves_nothing() {
    // Bombs go over the limit of an unpacked file, which is made small for them.
    let limits = Limits {
        data_section: 1 << 20,
        ..Limits::default()
    };
    let server = TestServer::start_with(|settings| settings.package_limits = limits.clone());
    let server = server.await;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apk/tests/reject/v3_package");
    let mut cases = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let case = fs::read_to_string(entry.unwrap().path()).unwrap();
        let (file, text) = reject_case(&case).unwrap();
        // What begins otherwise is read as one of v2.
        if file.starts_with(b"ADB") {
            let mut reader = apk::package::reader(&file, &limits);
            let refused = reader.push(&file).and_then(|()| reader.finish());
            let too_large = refused.unwrap_err().is_over_limit();
            let answer = server.publish("edge/main", file).await;
            answer.refusal(if too_large { 413 } else { 400 }, text);
            cases += 1;
        }
    }
    assert!(cases > 85, "{cases} cases");
    assert_eq!(server.blobs(), 0);
    server.send(&get(INDEX_V3)).await.expect(404);
}

#[tokio::test]
async fn the_audit_log_has_uploads_deletions_and_refusals_of_v3_packages() {
    let server = TestServer::start().await;
    published(&server, "edge/main", built(&world())).await;
    let path = HELLO.replace("hello", "world");
    let gone = delete(&path).basic("alice", &password("alice"));
    server.send(&gone).await.expect(204);
    let anonymous = put(format!("{ALICE}/edge/main"), built(&world()));
    server.send(&anonymous).await.expect(401);
    let log = server.log().await;
    for action in ["package.delete", "package.publish"] {
        let entry = log.iter().find(|entry| entry.action == action).unwrap();
        assert_eq!(entry.account.as_deref(), Some("alice"));
        assert_eq!(entry.owner.as_deref(), Some("alice"));
        assert_eq!(entry.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(entry.target, "edge/main/x86_64/world-1.0-r0.apk");
    }
    assert_eq!(
        log.iter()
            .filter(|entry| entry.target.contains("world"))
            .count(),
        2
    );
}

#[tokio::test]
async fn a_database_over_the_limit_is_413_and_one_without_memory_for_it_503() {
    let limited = TestServer::start_with(|settings| {
        settings.package_limits.database = 200;
    });
    let limited = limited.await;
    let answer = limited.publish("edge/main", built(&world())).await;
    let answer = answer.refusal(413, "and at most 200 are read");
    assert_eq!(answer.header("X-Tarn-Error"), Some("upload_too_large"));

    // As when others hold what there is.
    let server = TestServer::start_with(|settings| {
        settings.package_limits.package_memory = 1 << 10;
        settings.package_memory = 8 << 10;
        settings.window_memory = 40 << 20;
    });
    let server = server.await;
    let of_files = |name: &str, files: usize| {
        let paths = (0..files).map(|number| format!("usr/share/{name}/{number}"));
        let builder = PackageBuilder::new(name, "1.0-r0");
        built(&paths.fold(builder, |builder, path| builder.file(&path, b"x")))
    };
    let large = of_files("large", 1000);
    let answer = server.publish("edge/main", large).await;
    let answer = answer.refusal(503, "bytes of memory are needed to read this package");
    assert_eq!(answer.header("Retry-After"), Some("5"));
    assert_eq!(server.blobs(), 0);
    // A large window has memory of its own.
    let zstd = |level| {
        let builder = PackageBuilder::new(&format!("zstd{level}"), "1.0-r0");
        built(&builder.compression(Compression::Zstd).level(level))
    };
    server.publish("edge/main", zstd(20)).await.expect(201);
    let answer = server.publish("edge/main", zstd(21)).await;
    answer.refusal(503, "67633152 bytes of memory are needed");
    // What was held is given back each time.
    for number in 0..10 {
        let smaller = of_files(&format!("smaller{number}"), 100);
        server.publish("edge/main", smaller).await.expect(201);
    }
    server.publish("edge/main", hello()).await.expect(201);
}

#[tokio::test]
async fn the_api_says_of_which_format_a_file_is_and_who_signed_it() {
    let server = TestServer::start().await;
    let alice = server.registry.metadata().owner(&name("alice")).await;
    let alice = alice.unwrap().unwrap();
    let (key_name, public) = server.registry.keys().public_key(&alice).await.unwrap();
    let exported = server
        .registry
        .keys()
        .export(&alice, None, true)
        .await
        .unwrap();
    let private = exported.private.unwrap();
    let key = SigningKey::from_pem(private.expose().as_bytes()).unwrap();
    assert_eq!(key.public_key().to_pem(), public);
    let stranger = SigningKey::generate_p256().unwrap();
    let file = world()
        .list(slot::RECOMMENDS, &list("hello"))
        .tag("greeting")
        .sign(&stranger)
        .sign(&key);
    server.publish("edge/main", built(&file)).await.expect(201);
    let v2 = apk_testkit::v2::PackageBuilder::new("hello", "1.0-r0")
        .sign(&key_name, &key)
        .sign(&KeyName::parse("other.rsa.pub").unwrap(), &key);
    server.publish("edge/main", v2.build()).await.expect(201);

    server
        .publish("edge/main", package("plain", "x86_64"))
        .await
        .expect(201);

    let files = async |package: &str| -> Value {
        let path = format!("/api/v1/packages/alice/alpine/{package}/1.0-r0/files");
        let answer = server.send(&get(path)).await.expect(200);
        let files: Value = serde_json::from_slice(&answer.body).unwrap();
        files[0].clone()
    };
    let file = files("world").await;
    assert_eq!(file["format"], "v3");
    assert_eq!(file["identity"].as_str().map(str::len), Some(64));
    assert_eq!(file["metadata"]["recommends"][0], "hello");
    assert_eq!(file["metadata"]["tags"][0], "greeting");
    assert_eq!(file["metadata"]["datahash"], Value::Null);
    assert_eq!(file["signatures"][0]["algorithm"], "SHA512");
    assert_eq!(file["signatures"][0]["verified_by"], Value::Null);
    assert_eq!(file["signatures"][1]["verified_by"], key_name.as_str());
    let file = files("hello").await;
    assert_eq!(file["format"], "v2");
    assert!(file["identity"].as_str().unwrap().starts_with("Q1"));
    assert_eq!(
        file["metadata"]["datahash"].as_str().map(str::len),
        Some(64)
    );
    assert_eq!(file["signatures"][0]["algorithm"], "RSA256");
    assert_eq!(file["signatures"][0]["verified_by"], key_name.as_str());
    // apk would look another name up.
    assert_eq!(file["signatures"][1]["key"], "other.rsa.pub");
    assert_eq!(file["signatures"][1]["verified_by"], Value::Null);

    // The pages of both formats say the same.
    let unknown = ", not verified: no key that alice had at the upload made it</dd>";
    let (theirs, ours) = (
        KeyId::of(stranger.public_key()),
        KeyId::of(key.public_key()),
    );
    for (package, parts) in [
        (
            "world",
            [
                format!("<dd><code>{theirs}</code>{unknown}"),
                format!("<dd><code>{key_name}</code> ({ours}), verified</dd>"),
            ],
        ),
        (
            "hello",
            [
                format!("<dd><code>{key_name}</code>, verified</dd>"),
                format!("<dd><code>other.rsa.pub</code>{unknown}"),
            ],
        ),
        (
            "plain",
            [
                "<dt>Signed by</dt><dd>no key: clients verify the index</dd>".to_owned(),
                String::new(),
            ],
        ),
    ] {
        let path = format!("/alice/edge/main/{package}");
        let text = server.send(&page(&path)).await.expect(200).text();
        for part in parts {
            assert!(text.contains(&part), "{part}\n{text}");
        }
    }
}

#[tokio::test]
async fn what_was_taken_in_stays_readable_whatever_is_asked_of_new_packages() {
    let server = TestServer::start().await;
    published(&server, "edge/main", built(&world())).await;
    server.publish("edge/main", hello()).await.expect(201);
    // As an earlier version, which asked less, could have stored it: no upload may depend on such a version now.
    server.sql(
        "UPDATE package_files SET facts = REPLACE(facts, '\"arch\":\"x86_64\"', \
         '\"arch\":\"x86_64\",\"replaces\":[\"old<2024.a.b\"]')",
    );
    server.registry.metadata().close().await;
    let server = server.restart().await;
    assert_eq!(names(&server, INDEX).await, ["hello"]);
    let path = "/api/v1/packages/alice/alpine/hello/1.0-r0/files";
    let answer = server.send(&get(path)).await.expect(200);
    let files: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(files[0]["metadata"]["replaces"][0], "old<2024.a.b");
}
