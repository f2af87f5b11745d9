//! What an upload is refused for, and that nothing of it stays.

use std::time::Duration;

use apk::{dependency::Dependency, v3::schema::package as slot};
use apk_testkit::{v2::PackageBuilder, v3};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    client::{delete, get, put},
    server::{ALICE, BY, HELLO, INDEX, TestServer, hello, name, package, password, published},
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
    published(&server, "edge/main", package("hello", "aarch64")).await;
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

    // To the byte, announced or not.
    for (most, status) in [(hello().len(), 201), (hello().len() - 1, 413)] {
        let server = TestServer::start_with(|settings| settings.max_upload = most as u64).await;
        let upload = put(format!("{ALICE}/edge/announced"), hello());
        let answer = server
            .send(&upload.basic("alice", &password("alice")))
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
        let mut connection = server.connect().await;
        let upload = crate::client::request("PUT", format!("{ALICE}/edge/chunked"))
            .basic("alice", &password("alice"))
            .header("Transfer-Encoding", "chunked");
        connection.write(&upload.bytes()).await;
        let size = format!("{:x}\r\n", hello().len());
        let chunk = [size.as_bytes(), &hello(), b"\r\n0\r\n\r\n"].concat();
        connection.write(&chunk).await;
        let answer = connection.answer(false).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_package_over_a_limit_of_the_server_is_413_in_both_formats() {
    let server = TestServer::start_with(|settings| {
        let limits = &mut settings.package_limits;
        (limits.index_record, limits.dependencies) = (2_000, 100);
        (limits.pkginfo, limits.data_section) = (8_000, 50_000);
        limits.data_entries = 20;
    });
    let server = server.await;
    let depends = |count: usize, length: usize| {
        let name = |number| format!("{number:0length$}");
        (0..count).map(name).collect::<Vec<_>>()
    };
    let v2 = |depends: Vec<String>| {
        let each = depends.iter();
        each.fold(builder(), |builder, one| builder.field("depend", one))
    };
    let v3 = |depends: Vec<String>| {
        let list = Dependency::parse_list(&depends.join(" ")).unwrap();
        let package = v3::PackageBuilder::new("hello", "1.0-r0").list(slot::DEPENDS, &list);
        package.build().unwrap()
    };
    let files = (0..21).fold(v3::PackageBuilder::new("hello", "1.0-r0"), |builder, n| {
        builder.file(&format!("f{n}"), b"")
    });
    for (body, words) in [
        (
            v2(depends(60, 40)).build(),
            "depend: the package makes a record of",
        ),
        (
            v3(depends(60, 40)),
            "depends: the package makes a record of",
        ),
        (v2(depends(101, 4)).build(), "have 101 entries together"),
        (v3(depends(101, 4)), "have 101 entries together"),
        (v2(depends(300, 40)).build(), "shorten it to 8000 bytes"),
        (
            builder().random_file("a", 60_000).build(),
            "the data section is over the limit of 50000 bytes",
        ),
        (files.build().unwrap(), "more than 20 files"),
    ] {
        let answer = server.publish("edge/main", body).await;
        let answer = answer.refusal(413, words);
        assert_eq!(answer.header("X-Tarn-Error"), Some("upload_too_large"));
        assert_eq!(server.blobs(), 0, "{words}");
    }
    server.send(&get(INDEX)).await.refusal(404, "no such index");
    // What no apk can keep is not a package that is too large.
    let long = builder()
        .without("pkgdesc")
        .field("pkgdesc", &"x".repeat(2_100));
    let answer = server.publish("edge/main", long.build()).await;
    answer.refusal(400, "where apk can keep");
    let fits = server
        .publish("edge/main", v2(depends(20, 40)).build())
        .await;
    fits.expect(201);
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

#[tokio::test]
async fn while_another_process_writes_changes_are_503_in_time_and_the_rest_is_served() {
    let wait = Duration::from_millis(300);
    let server = TestServer::start_with(|settings| settings.write_wait = wait).await;
    server.publish("edge/main", hello()).await.expect(201);
    server.send(&get(INDEX)).await.expect(200);
    let other = || PackageBuilder::new("other", "1.0-r0").build();
    let lock = server.lock_database();
    // At once, so that they would wait for each other, too.
    let uploads = (0..20).map(|number| {
        server.publish(
            if number % 2 == 0 {
                "edge/main"
            } else {
                "edge/more"
            },
            other(),
        )
    });
    let together = timeout(Duration::from_secs(5), join_all(uploads)).await;
    for answer in together.expect("each waits for others first") {
        let answer = answer.refusal(503, "the database is busy; nothing was changed");
        assert_eq!(answer.header("Retry-After"), Some("5"));
        assert_eq!(answer.header("X-Tarn-Error"), Some("busy"));
    }
    let delete = delete(HELLO).basic("alice", &password("alice"));
    let answer = server.send(&delete).await.refusal(503, "busy");
    assert_eq!(answer.header("Retry-After"), Some("5"));
    server.send(&get(INDEX)).await.expect(200);
    server.send(&get(HELLO)).await.expect(200);
    drop(lock);
    // PostgreSQL notices a moment later that the other one is gone.
    let mut answer = server.publish("edge/main", other()).await;
    for _ in 0..20 {
        if answer.status != 503 {
            break;
        }
        answer = server.publish("edge/main", other()).await;
    }
    answer.expect(201);
    let path = HELLO.replace("hello", "other");
    assert_eq!(server.send(&get(path)).await.expect(200).body, other());
    server.send(&delete).await.expect(204);
}
