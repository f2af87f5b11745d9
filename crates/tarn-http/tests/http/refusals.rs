//! What an upload is refused for, and that nothing of it stays.

use apk_testkit::v2::PackageBuilder;

use crate::{
    client::{get, put},
    server::{ALICE, BY, INDEX, TestServer, hello, name, package, password},
};

fn builder() -> PackageBuilder {
    PackageBuilder::new("hello", "1.0-r0").file("usr/share/hello", b"hello\n")
}

#[tokio::test]
async fn what_is_no_package_is_400_and_leaves_nothing() {
    let server = TestServer::start().await;
    let whole = hello();
    let two = [hello(), hello()].concat();
    let field = |key: &str, value: &str| builder().without(key).field(key, value).build();
    for (what, body, words) in [
        ("nothing", Vec::new(), "empty"),
        ("text", b"hello".to_vec(), "not an .apk"),
        ("zeros", vec![0; 4096], "not an .apk"),
        (
            "an ADB file that ends",
            b"ADBd\0\0\0\0 and more".to_vec(),
            "",
        ),
        ("half", whole[..whole.len() / 2].to_vec(), "truncated"),
        (
            "all but a byte",
            whole[..whole.len() - 1].to_vec(),
            "truncated",
        ),
        ("a byte more", builder().trailing(b"x").build(), "follow"),
        ("two packages", two, "follow"),
        ("no name", builder().without("pkgname").build(), "pkgname"),
        ("a path", field("pkgname", "../hello"), "pkgname"),
        ("a space", field("pkgname", "he llo"), "pkgname"),
        ("a version", field("pkgver", "one"), "pkgver"),
        ("an architecture", field("arch", "x86/64"), "arch"),
        (
            "another datahash",
            builder().wrong_data_hash().build(),
            "datahash",
        ),
        (
            "a line for the index",
            builder()
                .raw_pkginfo("pkgname = a\npkgver = 1\narch = x86_64\nsize = x\n")
                .build(),
            "",
        ),
    ] {
        let answer = server.publish("edge/main", body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        answer.refusal(400, words);
        assert_eq!(server.blobs(), 0, "{what}");
    }
    server.send(&get(INDEX)).await.refusal(404, "no such index");
}

#[tokio::test]
async fn a_file_that_is_there_is_409_with_whether_it_is_the_same() {
    let server = TestServer::start().await;
    server.publish("edge/main", hello()).await.expect(201);
    let other = || builder().field("depend", "other").build();
    let same = "package file already exists, with the same bytes; with `?if-exists=same` that is a success\n";
    let differs =
        "package file already exists, with other bytes; raise pkgrel, or delete that file first\n";
    for (body, query, text) in [
        (hello(), "", same),
        // As in the forges, what is not known is ignored.
        (hello(), "?overwrite=true&x", same),
        (other(), "", differs),
        (other(), "?if-exists=same", differs),
    ] {
        let answer = server.publish(&format!("edge/main{query}"), body).await;
        assert_eq!(answer.refusal(409, "").text(), text);
    }
    assert_eq!(server.blobs(), 1);
    let retry = || async {
        let target = "edge/main?if-exists=same";
        server.publish(target, hello()).await
    };
    assert_eq!(retry().await.expect(200).body, b"");
    // Also where the answer that was lost took the last place that the owner may have.
    let quota = tarn_core::publish::QuotaChange {
        packages: Some(1),
        ..Default::default()
    };
    let quotas = server.registry.administration().quotas();
    let alice = server.registry.metadata().owner(&name("alice")).await;
    let alice = alice.unwrap().unwrap();
    quotas.change(alice.id, quota, &BY).await.unwrap();
    retry().await.expect(200);
    let full = server.publish("edge/testing?if-exists=same", hello()).await;
    full.refusal(413, "");
    quotas.lift(alice.id, &BY).await.unwrap();
    let unknown = server.publish("edge/main?if-exists=any", hello()).await;
    unknown.refusal(400, "write `same`");
    assert_eq!(server.blobs(), 1);
    // Elsewhere it is another file, of the same bytes.
    server.publish("edge/testing", hello()).await.expect(201);
    server.publish("v3.23/main", hello()).await.expect(201);
    assert_eq!(server.blobs(), 1);
    server
        .publish("edge/main", package("hello", "aarch64"))
        .await
        .expect(201);
}

#[tokio::test]
async fn of_two_uploads_of_one_file_at_once_one_is_let_through() {
    let server = TestServer::start().await;
    let other = builder().field("depend", "other").build();
    for round in 0..8 {
        let repository = format!("edge/r{round}");
        let (one, two) = tokio::join!(
            server.publish(&repository, hello()),
            server.publish(&repository, other.clone())
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
        let target = format!("{ALICE}/{repository}/x86_64/hello-1.0-r0.apk");
        let served = server.send(&get(target)).await.expect(200).body;
        assert_eq!(served == hello(), one.status == 201);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_however_it_comes() {
    let server = TestServer::start_with(|settings| settings.max_upload = 100_000).await;
    let large = PackageBuilder::new("large", "1.0-r0")
        .random_file("usr/share/large", 200_000)
        .build();
    let size = large.len();
    server
        .publish("edge/main", large.clone())
        .await
        .refusal(413, "100000 bytes");

    // Announced, and not sent: the answer does not wait for it.
    let mut connection = server.connect().await;
    let request =
        put(format!("{ALICE}/edge/main"), vec![0; size]).basic("alice", &password("alice"));
    connection.write(&request.head_bytes()).await;
    connection.answer(false).await.refusal(413, "100000 bytes");

    // Not announced.
    let mut connection = server.connect().await;
    let request = crate::client::request("PUT", format!("{ALICE}/edge/main"))
        .basic("alice", &password("alice"))
        .header("Transfer-Encoding", "chunked");
    connection.write(&request.bytes()).await;
    connection.write(format!("{size:x}\r\n").as_bytes()).await;
    connection.try_write(&large).await;
    connection.answer(false).await.refusal(413, "100000 bytes");
    assert_eq!(server.blobs(), 0);
    server.publish("edge/main", hello()).await.expect(201);
}

#[tokio::test]
async fn an_upload_that_ends_early_is_400_and_leaves_nothing() {
    let server = TestServer::start().await;
    let package = hello();
    let request =
        put(format!("{ALICE}/edge/main"), package.clone()).basic("alice", &password("alice"));
    for sent in [0, 100, package.len() - 1] {
        let mut connection = server.connect().await;
        connection.write(&request.head_bytes()).await;
        connection.write(&package[..sent]).await;
        connection.finish().await;
        connection.answer(false).await.refusal(400, "ended before");
        assert_eq!(server.blobs(), 0);
    }
}

#[tokio::test]
async fn a_raw_body_is_taken_whatever_it_is_called() {
    let server = TestServer::start().await;
    for (number, content_type) in [
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "application/vnd.alpine.apk",
        "multipart/mixed; boundary=x",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let request = put(format!("{ALICE}/edge/r{number}"), hello())
            .header("Content-Type", content_type)
            .basic("alice", &password("alice"));
        server.send(&request).await.expect(201);
    }
}
