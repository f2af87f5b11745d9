//! The pages: who sees which, and what holds of every one of them.

use crate::{
    client::{Answer, Request, get, head},
    server::{TestServer, password, refusal},
    web_cost::LARGEST,
};
use tarn_store::metadata::Visibility;

/// What Chromium sends.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A page, asked for as a browser does.
pub(crate) fn page(target: &str) -> Request {
    get(target).header("Accept", BROWSER)
}

/// What holds of every page, whatever its status.
#[track_caller]
pub(crate) fn is_page(answer: &Answer) {
    assert_eq!(
        answer.header("Content-Type"),
        Some("text/html; charset=utf-8"),
        "{}",
        answer.text()
    );
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("X-Frame-Options"), Some("DENY"));
    let text = answer.text();
    assert!(text.starts_with("<!doctype html>\n<html lang=\"en\">"));
    for part in [
        "<title>",
        "<main id=\"main\"",
        "<h1>",
        "role=\"search\"",
        "href=\"#main\"",
    ] {
        assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
    }
    for inline in [" style=\"", "<style", " onclick=", "href=\"javascript:"] {
        assert!(!text.contains(inline), "{inline}: {text}");
    }
    assert!(answer.body.len() <= LARGEST, "{} bytes", answer.body.len());
}

#[tokio::test]
async fn a_page_is_sent_compressed_and_not_sent_again() {
    let server = TestServer::with_hello().await;
    let whole = server.send(&page("/")).await.expect(200);
    is_page(&whole);
    assert_eq!(whole.header("Cache-Control"), Some("public, no-cache"));
    let etag = whole.header("ETag").unwrap();

    let compressed = page("/").header("Accept-Encoding", "gzip, br");
    let compressed = server.send(&compressed).await.expect(200);
    assert_eq!(compressed.header("Content-Encoding"), Some("gzip"));
    assert!(compressed.body.len() < whole.body.len());
    assert_eq!(compressed.header("ETag"), Some(etag));

    let again = page("/").header("If-None-Match", etag);
    assert_eq!(server.send(&again).await.expect(304).body, b"");
    let by_head = server.send(&head("/")).await.expect(200);
    assert_eq!(by_head.header("ETag"), Some(etag));

    let signed_in = page("/").basic("alice", &password("alice"));
    let signed_in = server.send(&signed_in).await.expect(200);
    assert_eq!(signed_in.header("Cache-Control"), Some("private, no-cache"));
}

#[tokio::test]
async fn static_files_are_kept_for_good() {
    let server = TestServer::start().await;
    let home = server.send(&page("/")).await.expect(200).text();
    let mut paths = home.split('"').filter(|part| part.contains("/-/static/"));
    let count = paths.clone().count();
    assert!(count >= 3, "{home}");
    for path in paths.by_ref() {
        let file = get(path).header("Accept-Encoding", "gzip");
        let file = server.send(&file).await.expect(200);
        let kept = "public, max-age=31536000, immutable";
        assert_eq!(file.header("Cache-Control"), Some(kept), "{path}");
        assert_eq!(file.header("Content-Encoding"), Some("gzip"), "{path}");
    }
    refusal(
        &server,
        &get("/-/static/style.css"),
        404,
        "nothing is at /-/static/style.css",
    )
    .await;
}

#[tokio::test]
async fn a_refusal_is_a_page_for_browsers_and_a_line_for_programs() {
    let server = TestServer::start().await;
    server.add_user("carol", Visibility::Private).await;
    for (target, status, words) in [
        ("/a/b/c/d/e/f/g/h", 404, "There is no such page."),
        ("/-/nothing", 404, "There is no such page."),
        ("/nobody-here", 404, "Nothing is here that you may see."),
    ] {
        let answer = server.send(&page(target)).await.expect(status);
        is_page(&answer);
        assert!(answer.text().contains(words), "{}", answer.text());
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        let line = server.send(&get(target)).await;
        line.refusal(status, "");
    }
    // Nothing is known of the sender: the way is to sign in.
    let missing = server.send(&page("/alice/edge/none")).await.expect(404);
    let text = missing.text();
    for words in [
        "href=\"/-/login?to=%2Falice%2Fedge%2Fnone\">Sign in</a>",
        "No such repository;",
        "href=\"/alice\">Packages of alice</a>",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let known = page("/alice/edge/none").basic("alice", &password("alice"));
    let known = server.send(&known).await.expect(404).text();
    assert!(known.contains(">Your account</a>"), "{known}");
    // What may not be seen is as if it were not there.
    let hidden = page("/carol").basic("alice", &password("alice"));
    let hidden = server.send(&hidden).await.expect(404);
    is_page(&hidden);
    assert!(hidden.text().contains("Nothing is here that you may see."));
    // The API and the package routes stay as they are.
    let api = page("/api/v1/nothing");
    server.send(&api).await.problem(404, "openapi.json");
}

#[tokio::test]
async fn a_slash_too_many_leads_to_the_page_and_never_elsewhere() {
    let server = TestServer::start_with(|settings| {
        settings.base_url = Some("https://packages.example/tarn".to_owned());
    })
    .await;
    let moved = server.send(&page("/alice/?x=1")).await.expect(301);
    assert_eq!(moved.header("Location"), Some("/tarn/alice?x=1"));
    server.send(&page("//evil.example/")).await.expect(404);
    let home = server.send(&page("/")).await.expect(200).text();
    for link in home.split("href=\"").skip(1) {
        assert!(
            link.starts_with("/tarn/") || link.starts_with('#'),
            "{link}"
        );
    }
}
