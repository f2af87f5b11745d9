//! The parts of pages that carry rules, as they are sent: what is escaped, what is a link, and what a page says where it has nothing to
//! show.

use apk::v2::package::Script;
use apk_testkit::v2::PackageBuilder;

use crate::{
    pages::page,
    pages_packages::{HOSTILE, url_encoded, with_packages},
    server::TestServer,
};

/// What stands on a page from `from` on, to before `to`; without blank lines.
async fn part(server: &TestServer, path: &str, from: &str, to: &str) -> String {
    let text = server.send(&page(path)).await.text();
    let (_, rest) = text.split_once(from).unwrap();
    let part = rest.split(to).next().unwrap();
    let lines = part.lines().map(str::trim_end);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    format!("{from}{}", lines.join("\n"))
}

#[tokio::test]
async fn a_page_that_has_nothing_to_show_says_so() {
    let server = TestServer::start().await;
    let (main, end) = ("<h1>", "</main>");
    let mut parts = Vec::new();
    for path in ["/", "/?q=hello", "/alice", "/nobody-here"] {
        let part = part(&server, path, main, end).await;
        let part = match part.split_once("<p class=\"soft\">Request") {
            Some((part, _)) => part.to_owned(),
            None => part,
        };
        parts.push(format!("{path}\n\n{part}"));
    }
    let server = with_packages().await;
    for (path, from, to) in [
        (
            "/alice/edge/main?name=nothing",
            "<h2 id=\"packages\">",
            "<h2 id",
        ),
        ("/alice/edge/main?after=zzz", "Filter</button>", "</nav>"),
        ("/alice/edge/main/hello", "<div class=\"grid\">", "<aside"),
    ] {
        let part = part(&server, path, from, to).await;
        parts.push(format!("{path}\n\n{part}"));
    }
    insta::assert_snapshot!("nothing_to_show", parts.join("\n\n"));
}

#[tokio::test]
async fn names_are_links_to_what_has_them() {
    let server = with_packages().await;
    let mut parts = Vec::new();
    for (path, from, to) in [
        ("/alice", "<h2>Repositories</h2>", "<aside"),
        ("/alice/edge/main", "<h2 id=\"packages\">", "<aside"),
        ("/alice/edge/main/greet", "<div class=\"grid\">", "<aside"),
        (
            "/alice/edge/main/libgreet",
            "<div class=\"grid\">",
            "<aside",
        ),
    ] {
        let part = part(&server, path, from, to).await;
        parts.push(format!("{path}\n\n{part}"));
    }
    // What depends on how well the packages were compressed.
    let size = regex::Regex::new(">[0-9]+ B<").unwrap();
    let parts = parts.join("\n\n");
    insta::assert_snapshot!("links", size.replace_all(&parts, ">[size]<"));
}

#[tokio::test]
async fn what_others_wrote_is_escaped() {
    let server = TestServer::start().await;
    let package = PackageBuilder::new("evil", "1.0-r0")
        .field("pkgdesc", HOSTILE)
        .field("url", "javascript:alert(1)//<script>")
        .field("license", HOSTILE)
        .field("maintainer", HOSTILE)
        .script(Script::PreInstall, &format!("#!/bin/sh\n{HOSTILE}"))
        .file("usr/<script>alert(1)<", b"x")
        .symbolic_link("usr/link", "\"><script>alert(1)<")
        .build();
    server.publish("edge/main", package).await.expect(201);
    let text = url_encoded(HOSTILE);
    let mut parts = Vec::new();
    for (path, from, to) in [
        (format!("/?q={text}"), "<form role=\"search\"", "<nav"),
        (format!("/?q={text}"), "<h1>", "</main>"),
        (
            format!("/alice/edge/main?name={text}&origin={text}"),
            "<h2 id=\"packages\">",
            "<h2 id",
        ),
        (
            "/alice/edge/main/evil".to_owned(),
            "<h1>",
            "<div class=\"cols\">",
        ),
        (
            "/alice/edge/main/evil".to_owned(),
            "<dt>Licence",
            "<dt>Packager",
        ),
        (
            "/alice/edge/main/evil/1.0-r0/x86_64/contents".to_owned(),
            "<h2>Files",
            "</main>",
        ),
    ] {
        let part = part(&server, &path, from, to).await;
        parts.push(part);
    }
    insta::assert_snapshot!("escaped", parts.join("\n\n"));
}
