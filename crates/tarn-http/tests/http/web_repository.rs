//! What the pages of owners and repositories say of what is there: counts, times, filters, and the pages of lists.

use std::time::Duration;

use apk::{dependency::Dependency, v3::schema::package as slot};
use apk_testkit::{v2::PackageBuilder, v3};
use tarn_store::metadata::Visibility;

use crate::{
    browser::between,
    client::delete,
    pages::{is_page, page},
    server::{ALICE, TestServer, package, password, published},
    v3_packages::built,
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
    published(&server, "v3.23/main", package("everywhere", "noarch")).await;
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

#[tokio::test]
async fn a_package_for_apk_3_shows_its_layer_and_what_it_recommends() {
    let server = TestServer::with_hello().await;
    let wants = Dependency::parse_list("hello nothing-here").unwrap();
    let file = v3::PackageBuilder::new("tool", "1.0-r1");
    let file = file.text(slot::ARCH, "x86_64").number(slot::LAYER, 1);
    let file = built(&file.list(slot::RECOMMENDS, &wants));
    server.publish("edge/main", file).await.expect(201);
    let text = server.send(&page("/alice/edge/main/tool")).await;
    let text = text.expect(200).text();
    for part in [
        "<dt>Layer</dt><dd>1 (<code>uvol</code>)</dd>",
        "<dt>Checksum in the index (<code>C:</code>)</dt>",
        "<li><a href=\"/alice/edge/main/hello\"><code>hello</code></a></li><li><code>nothing-here</code></li>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn each_version_that_a_search_finds_has_its_own_page() {
    let server = TestServer::with_hello().await;
    let newer = PackageBuilder::new("hello", "2.0-r0").arch("x86_64");
    server.publish("edge/main", newer.build()).await.expect(201);
    let text = server.send(&page("/?q=hello")).await.expect(200).text();
    for (version, is_newest) in [("1.0-r0", false), ("2.0-r0", true)] {
        let path = format!("/alice/edge/main/hello/{version}");
        assert!(
            text.contains(&format!("<a href=\"{path}\">hello</a>")),
            "{text}"
        );
        let found = server.send(&page(&path)).await.expect(200).text();
        assert_eq!(!found.contains("This is not the newest version"), is_newest);
    }
}

/// The links of a page of packages: where the pages beside it are, and the names on it.
fn listed(text: &str) -> (Option<String>, Option<String>, Vec<String>) {
    let link = |rel: &str| {
        let (_, rest) = text.split_once(&format!("rel=\"{rel}\" href=\""))?;
        let link = rest.split('"').next()?.replace("&#38;", "&");
        let query = link.split('#').next()?;
        Some(format!("/alice/edge/main{query}"))
    };
    let rows = text.split("<td class=\"name\"><a href=\"").skip(1);
    let links = rows.map(|row| row.split('"').next().unwrap());
    let names = links.filter_map(|link| link.rsplit('/').next());
    (
        link("prev"),
        link("next"),
        names.map(str::to_owned).collect(),
    )
}

#[tokio::test]
async fn a_list_of_packages_is_read_forwards_and_backwards() {
    let server = TestServer::start().await;
    let file = package("p", "x86_64");
    server.publish("edge/main", file).await.expect(201);
    // As many more by the database: publishing them takes long.
    server.sql(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 450) \
         INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, sequence, added_at, created_at, \
         format, identity, index_bytes, signers, facts) SELECT repository_id, arch, 'q' || (1000 + n / 2), version, \
         'q' || (1000 + n / 2) || '-' || (n % 2) || '.0-r0.apk', sha256, size, sequence + n, added_at, created_at, \
         format, identity, index_bytes, signers, facts FROM package_files, numbers",
    );
    for order in ["", "?sort=newest"] {
        let (mut pages, mut path) = (Vec::new(), Some(format!("/alice/edge/main{order}")));
        while let Some(here) = path {
            let answer = server.send(&page(&here)).await.expect(200);
            is_page(&answer);
            let (previous, next, names) = listed(&answer.text());
            assert_eq!(previous.is_none(), pages.is_empty(), "{here}");
            pages.push((here, names));
            path = next;
            if path.is_none() {
                // From the last page back to the first, nothing is left out.
                let mut back = previous;
                let mut first_of_next = pages.last().unwrap().1[0].clone();
                let mut steps = 0;
                while let Some(here) = back {
                    let text = server.send(&page(&here)).await.expect(200).text();
                    let (previous, _, names) = listed(&text);
                    let before = pages
                        .iter()
                        .flat_map(|(_, names)| names)
                        .take_while(|name| **name != first_of_next)
                        .last();
                    assert!(
                        before.is_none_or(|name| names.contains(name)),
                        "{here}: {before:?}"
                    );
                    first_of_next.clone_from(&names[0]);
                    back = previous;
                    steps += 1;
                }
                assert!((2..10).contains(&steps), "{steps}");
                assert_eq!(first_of_next, pages[0].1[0]);
            }
        }
        assert!(pages.len() >= 3, "{}", pages.len());
    }
}
