//! Conditional requests and ranges.

use std::time::Duration;

use apk_testkit::v2::PackageBuilder;

use crate::{
    client::{Request, delete, get, head},
    server::{ALICE, HELLO, INDEX, TestServer, hello, package, password, published},
};

#[tokio::test]
async fn who_has_the_file_gets_304_and_no_length_of_another() {
    let server = TestServer::with_hello().await;
    server.send(&get(INDEX)).await.expect(200);
    server.clock.advance(Duration::from_secs(60));
    for target in [INDEX, HELLO] {
        let whole = server.send(&get(target)).await.expect(200);
        let etag = whole.header("ETag").unwrap();
        let date = whole.header("Last-Modified").unwrap();
        let conditions = [
            ("If-None-Match", etag.to_owned()),
            ("If-None-Match", format!("\"other\", {etag}")),
            ("If-None-Match", format!("W/{etag}")),
            ("If-None-Match", "*".to_owned()),
            ("If-Modified-Since", date.to_owned()),
        ];
        for (name, value) in conditions {
            for request in [get(target), head(target)] {
                let answer = server.send(&request.header(name, &value)).await.expect(304);
                assert_eq!(answer.header("ETag"), Some(etag));
                assert_eq!(answer.header("Last-Modified"), Some(date));
                assert_eq!(answer.header("Cache-Control"), Some("public, no-cache"));
                // RFC 9110, section 8.6: none, or the one that a 200 would have.
                assert_eq!(answer.header("Content-Length"), None, "{name}: {value}");
            }
        }
        // An entity tag is the better knowledge, and takes the place of a date.
        let both = get(target).header("If-Modified-Since", date);
        let both = both.header("If-None-Match", "\"other\"");
        server.send(&both).await.expect(200);
        for other in ["Thu, 01 Jan 1970 00:00:00 GMT", "yesterday", ""] {
            let request = get(target).header("If-Modified-Since", other);
            server.send(&request).await.expect(200);
        }
    }
}

#[tokio::test]
async fn no_date_is_current_while_another_server_renders_indexes_in_a_newer_way() {
    let server = TestServer::with_hello().await;
    server.send(&get(INDEX)).await.expect(200);
    server.clock.advance(Duration::from_secs(60));
    let whole = server.send(&get(INDEX)).await.expect(200);
    let (etag, date) = (
        whole.header("ETag").unwrap(),
        whole.header("Last-Modified").unwrap(),
    );
    let since = |date: &str| get(INDEX).header("If-Modified-Since", date);
    server.send(&since(date)).await.expect(304);
    let newer = i64::from(apk::facts::RENDERING) + 1;
    let metadata = server.registry.metadata();
    let now = server.clock.now();
    metadata.note_rendering(newer, now).await.unwrap();
    for _ in 0..9 {
        let answer = server.send(&since(date)).await.expect(200);
        let held = answer.header("Last-Modified").unwrap();
        server.send(&since(held)).await.expect(200);
        let tagged = get(INDEX).header("If-None-Match", etag);
        server.send(&tagged).await.expect(304);
        server.clock.advance(Duration::from_secs(2));
    }
    // Packages have no such date.
    let package = server.send(&get(HELLO)).await.expect(200);
    let since = get(HELLO).header(
        "If-Modified-Since",
        package.header("Last-Modified").unwrap(),
    );
    server.send(&since).await.expect(304);
}

#[tokio::test]
async fn two_publishes_in_one_second_never_leave_a_client_with_the_older_index() {
    let server = TestServer::start().await;
    server.publish("edge/main", hello()).await.expect(201);
    let first = server.send(&get(INDEX)).await.expect(200);
    let date = first.header("Last-Modified").unwrap().to_owned();
    published(&server, "edge/main", package("world", "x86_64")).await;
    for _ in 0..30 {
        let since = get(INDEX).header("If-Modified-Since", &date);
        let answer = server.send(&since).await.expect(200);
        assert_ne!(answer.header("ETag"), first.header("ETag"));
        server.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn the_date_of_an_answer_never_stands_for_an_index_that_came_after_it() {
    let server = TestServer::start().await;
    server.publish("edge/main", hello()).await.expect(201);
    server.send(&get(INDEX)).await.expect(200);
    // An answer and a publish in one second, and later the other way round.
    for (before, between, number) in [(200, 300, 0), (0, 0, 1), (999, 1, 2), (500, 500, 3)] {
        server.clock.advance(Duration::from_secs(60));
        let now = Duration::from_micros(u64::try_from(server.clock.now().micros()).unwrap());
        let second = Duration::from_secs(now.as_secs() + 1);
        server
            .clock
            .advance(second - now + Duration::from_millis(before));
        let held = server.send(&get(INDEX)).await.expect(200);
        server.clock.advance(Duration::from_millis(between));
        let name = format!("world{number}");
        published(&server, "edge/main", package(&name, "x86_64")).await;
        let mut is_over = false;
        for _ in 0..20 {
            for header in ["Date", "Last-Modified"] {
                let since = get(INDEX).header("If-Modified-Since", held.header(header).unwrap());
                let answer = server.send(&since).await.expect(200);
                assert_ne!(answer.header("ETag"), held.header("ETag"));
            }
            let newest = server.send(&get(INDEX)).await.expect(200);
            let own = newest.header("Last-Modified").unwrap();
            let since = get(INDEX).header("If-Modified-Since", own);
            is_over |= server.send(&since).await.status == 304;
            server.clock.advance(Duration::from_millis(500));
        }
        assert!(is_over, "the newest index never got a date of its own");
    }
}

#[tokio::test]
async fn a_removed_package_changes_the_index_and_its_date() {
    let server = TestServer::with_hello().await;
    published(&server, "edge/main", package("world", "x86_64")).await;
    server.send(&get(INDEX)).await.expect(200);
    server.clock.advance(Duration::from_secs(60));
    let before = server.send(&get(INDEX)).await.expect(200);
    let request = delete(HELLO).basic("alice", &password("alice"));
    server.send(&request).await.expect(204);
    let again = get(INDEX).header("If-Modified-Since", before.header("Last-Modified").unwrap());
    let after = server.send(&again).await.expect(200);
    assert_ne!(after.header("ETag"), before.header("ETag"));
}

#[tokio::test]
async fn ranges_are_parts_of_the_very_file() {
    let server = TestServer::with_hello().await;
    // Larger than a piece of a download.
    let large = PackageBuilder::new("large", "1.0-r0").random_file("usr/share/large", 400_000);
    server.publish("edge/main", large.build()).await.expect(201);
    let large = format!("{ALICE}/edge/main/x86_64/large-1.0-r0.apk");
    for target in [INDEX, HELLO, &large] {
        let whole = server.send(&get(target)).await.expect(200);
        let size = whole.body.len();
        if target == large {
            assert!(size > 5 << 16, "{size}");
            for (first, last) in [(65_535, 65_537), (65_536, 131_072), (size - 1, size - 1)] {
                let range = format!("bytes={first}-{last}");
                let answer = server.send(&get(target).header("Range", &range)).await;
                assert!(
                    answer.expect(206).body == whole.body[first..=last],
                    "{range}"
                );
            }
        }
        for (range, first, last) in [
            ("bytes=0-0".to_owned(), 0, 0),
            ("bytes=10-19".to_owned(), 10, 19),
            ("Bytes=10-19".to_owned(), 10, 19),
            ("bytes=100-".to_owned(), 100, size - 1),
            ("bytes=-7".to_owned(), size - 7, size - 1),
            (format!("bytes=-{}", size * 2), 0, size - 1),
            (format!("bytes=5-{}", size * 2), 5, size - 1),
        ] {
            let answer = server.send(&get(target).header("Range", &range)).await;
            assert_eq!(answer.status, 206, "{range}");
            assert_eq!(answer.body, &whole.body[first..=last], "{range}");
            assert_eq!(
                answer.header("Content-Range"),
                Some(format!("bytes {first}-{last}/{size}").as_str())
            );
            assert_eq!(answer.header("ETag"), whole.header("ETag"));
        }
        // More parts than one could make the answer larger than the file.
        let many: Vec<String> = (0..1000).map(|first| format!("{first}-")).collect();
        let many = format!("bytes={}", many.join(","));
        for range in [
            "bytes=2-1",
            "bytes=0-1,5-6",
            "lines=0-1",
            "bytes=x-",
            "bytes=",
            "bytes=-",
            "bytes 1-2",
            "bytes=1-2-3",
            &many,
        ] {
            let answer = server.send(&get(target).header("Range", range)).await;
            assert_eq!(answer.expect(200).body, whole.body, "{range}");
        }
        for beyond in [
            format!("{size}-"),
            format!("{}-{}", size + 1, size + 9),
            "-0".to_owned(),
        ] {
            let beyond = get(target).header("Range", &format!("bytes={beyond}"));
            let answer = server.send(&beyond).await.refusal(416, "outside the file");
            assert_eq!(
                answer.header("Content-Range"),
                Some(format!("bytes */{size}").as_str())
            );
        }
        let by_head = head(target).header("Range", "bytes=0-0");
        let answer = server.send(&by_head).await.expect(200);
        assert_eq!(
            answer.header("Content-Length"),
            Some(size.to_string().as_str())
        );
    }
}

#[tokio::test]
async fn a_download_goes_on_with_the_same_file_or_from_the_start() {
    let server = TestServer::with_hello().await;
    let whole = server.send(&get(HELLO)).await.expect(200);
    let part = |value: &str| -> Request {
        get(HELLO)
            .header("Range", "bytes=10-")
            .header("If-Range", value)
    };
    for value in ["ETag", "Last-Modified"] {
        let request = part(whole.header(value).unwrap());
        assert_eq!(
            server.send(&request).await.expect(206).body,
            &whole.body[10..]
        );
    }
    let weak = format!("W/{}", whole.header("ETag").unwrap());
    for value in ["\"other\"", &weak, "Sun, 22 Nov 2026 20:59:59 GMT"] {
        let answer = server.send(&part(value)).await.expect(200);
        assert_eq!(answer.body, whole.body);
    }
}

#[tokio::test]
async fn what_is_not_the_file_that_was_asked_for_is_neither_sent_nor_deleted() {
    let server = TestServer::with_hello().await;
    let by_alice = |request: Request| request.basic("alice", &password("alice"));
    server.send(&get(INDEX)).await.expect(200);
    server.clock.advance(Duration::from_secs(60));
    let earlier = "Sun, 22 Nov 2026 20:59:59 GMT";
    let mut held = Vec::new();
    for target in [INDEX, HELLO] {
        let whole = server.send(&get(target)).await.expect(200);
        let etag = whole.header("ETag").unwrap().to_owned();
        let date = whole.header("Last-Modified").unwrap().to_owned();
        for request in [get(target), head(target)] {
            for (name, value, status) in [
                ("If-Match", "\"other\"", 412),
                ("If-Match", &etag, 200),
                ("If-Match", "*", 200),
                ("If-Unmodified-Since", earlier, 412),
                ("If-Unmodified-Since", &date, 200),
            ] {
                let answer = server.send(&request.clone().header(name, value)).await;
                assert_eq!(answer.status, status, "{name}: {value}");
            }
        }
        held.push(etag);
    }
    let [_, etag] = held.as_slice() else {
        unreachable!("two were asked for");
    };
    let stale = get(HELLO).header("If-Match", "\"other\"");
    server.send(&stale).await.refusal(412, "look at it again");
    for (name, value) in [("If-Match", "\"other\""), ("If-Unmodified-Since", earlier)] {
        let refused = by_alice(delete(HELLO)).header(name, value);
        server.send(&refused).await.refusal(412, "look at it again");
    }
    server.send(&get(HELLO)).await.expect(200);
    // Where nothing is, nothing is compared.
    let nothing = by_alice(delete(HELLO.replace("hello", "other")));
    let nothing = nothing.header("If-Match", "\"other\"");
    server.send(&nothing).await.expect(404);
    let meant = by_alice(delete(HELLO)).header("If-Match", etag);
    server.send(&meant).await.expect(204);
    server.send(&get(HELLO)).await.expect(404);
}
