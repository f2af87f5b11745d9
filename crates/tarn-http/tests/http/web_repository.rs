//! What the pages of owners and repositories say of what is there: counts, times, filters, and the pages of lists.

use std::time::Duration;

use tarn_store::metadata::Visibility;

use crate::{
    browser::between,
    client::delete,
    pages::{is_page, page},
    server::{ALICE, TestServer, package, password},
};

/// The rows of an owner's table: each architecture of each repository, with its files and the time of the last publish.
fn matrix(text: &str) -> Vec<(String, String, String)> {
    let table = between(text, "<table class=\"matrix\">", "</table>");
    let mut rows = Vec::new();
    for group in table.split("<tbody>").skip(1) {
        let repository = between(group, "\"><a href=\"", "\"").to_owned();
        for row in group.split("data-label=\"Files\">").skip(1) {
            let files = row.split('<').next().unwrap().to_owned();
            let published = between(row, "datetime=\"", "\"").to_owned();
            rows.push((repository.clone(), files, published));
        }
    }
    rows
}

#[tokio::test]
async fn the_last_publish_is_when_the_last_file_came() {
    let server = TestServer::with_hello().await;
    // As many changes within a second as make the date of the index run ahead of the clock.
    for name in ["a", "b", "c", "d"] {
        let file = package(name, "aarch64");
        server.publish("edge/main", file).await.expect(201);
    }
    let now = "2026-11-22T21:01:00Z";
    server.clock.advance(Duration::from_secs(3_600));
    let file = format!("{ALICE}/edge/main/aarch64/d-1.0-r0.apk");
    let request = delete(&file).basic("alice", &password("alice"));
    server.send(&request).await.expect(204);
    server
        .publish("v3.23/main", package("everywhere", "noarch"))
        .await
        .expect(201);
    let text = server.send(&page("/alice")).await.expect(200).text();
    let main = |files: &str, published: &str| {
        let main = "/alice/edge/main".to_owned();
        (main, files.to_owned(), published.to_owned())
    };
    let other = "/alice/v3.23/main".to_owned();
    let later = "2026-11-22T22:01:00Z".to_owned();
    assert_eq!(
        matrix(&text),
        [
            main("3", now),
            main("1", "2026-11-22T21:00:00Z"),
            (other, "1".to_owned(), later)
        ]
    );
    let link = "<a href=\"/alice/edge/main?arch=aarch64#packages\">aarch64</a>";
    assert!(text.contains(link), "{text}");
    let text = server.send(&page("/alice/edge/main")).await.expect(200);
    let text = text.text();
    let said = format!("last publish <time datetime=\"{now}\"");
    assert!(text.contains(&said), "{text}");
    let files = "4 files</a>: 3 for aarch64, 1 for x86_64";
    assert!(text.contains(files), "{text}");
}

#[tokio::test]
async fn many_architectures_have_their_share_of_the_page() {
    let server = TestServer::start().await;
    server.add_user("carol", Visibility::Public).await;
    // By the database, as publishing as many takes long.
    let file = package("hello", "x86_64");
    for number in 0..30 {
        let path = format!("/api/packages/carol/alpine/v3.{number}/main");
        let put = crate::client::put(path, file.clone()).basic("carol", &password("carol"));
        server.send(&put).await.expect(201);
    }
    for number in 0..10 {
        server.sql(&format!(
            "INSERT INTO index_heads (repository_id, arch, format, generation, changed_at, published_at, live, bytes) \
             SELECT repository_id, 'arch{number}', 'v2', 1, changed_at, published_at, 1, 1 FROM index_heads WHERE arch = 'x86_64'"
        ));
    }
    let answer = server.send(&page("/carol")).await.expect(200);
    is_page(&answer);
    let text = answer.text();
    assert_eq!(matrix(&text).len(), 150);
    assert_eq!(text.matches(">and 6 more</td>").count(), 30, "{text}");
}

#[tokio::test]
async fn the_packages_of_an_architecture_are_those_of_its_index() {
    let server = TestServer::start().await;
    for (name, arch) in [("one", "x86_64"), ("two", "aarch64"), ("all", "noarch")] {
        let file = package(name, arch);
        server.publish("edge/main", file).await.expect(201);
    }
    for (query, expected) in [
        ("arch=x86_64", &["all", "one"][..]),
        ("arch=aarch64&sort=newest", &["all", "two"]),
        ("arch=x86_64&name=all", &["all"]),
        ("arch=noarch", &["all"]),
    ] {
        let path = format!("/alice/edge/main?{query}");
        let text = server.send(&page(&path)).await.expect(200).text();
        let rows = text.split("<td class=\"name\"><a href=\"").skip(1);
        let names = rows.map(|row| row.split('"').next().unwrap());
        let names: Vec<_> = names.filter_map(|link| link.rsplit('/').next()).collect();
        assert_eq!(names, expected, "{query}");
    }
    // What the index of each lists is known without one in memory.
    let text = server.send(&page("/alice/edge/main")).await.text();
    let state = between(&text, "id=\"indexes\"", "</table>");
    assert_eq!(state.matches("data-label=\"Packages\">2<").count(), 4);
    let hint = "Packages of <code>noarch</code> are in the index of every architecture.";
    assert!(text.contains(hint), "{text}");
}
