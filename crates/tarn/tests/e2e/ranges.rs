//! Parts of a file: what a broken download goes on with.

use crate::harness::{Answer, Package, Server, curl_or_leave_out, random::Random};

const PATH: &str = "/v1/main/x86_64/large-1.0-r0.apk";

/// A server with one package of 300 KB or so, and its bytes.
fn server_with_large_package() -> (Server, Vec<u8>) {
    let server = Server::start();
    let content = Random::new(1).bytes(300_000);
    let package = Package::new("large", "1.0-r0").file("usr/share/tarn/content", content);
    server.publish("v1/main", &package);
    (server, package.bytes())
}

fn ask(server: &Server, range: &str) -> Answer {
    server
        .alpine("admin", PATH)
        .header(&format!("Range: {range}"))
        .run()
}

#[test]
fn a_range_gives_just_that_part() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, bytes) = server_with_large_package();
    let size = bytes.len();
    let last = size - 1;
    let cases = [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=0-99".to_owned(), 0, 99),
        ("bytes=65535-65537".to_owned(), 65_535, 65_537),
        ("bytes=1000-".to_owned(), 1000, last),
        ("bytes=-5".to_owned(), size - 5, last),
        (format!("bytes=-{}", size * 2), 0, last),
        (format!("bytes=10-{}", size * 2), 10, last),
        (format!("bytes={last}-{last}"), last, last),
    ];
    for (range, first, last) in cases {
        let answer = ask(&server, &range);
        assert_eq!(answer.status, 206, "{range}: {answer}");
        assert_eq!(
            answer.require("content-range"),
            format!("bytes {first}-{last}/{size}")
        );
        assert_eq!(
            answer.require("content-length"),
            (last - first + 1).to_string()
        );
        assert!(answer.body == bytes[first..=last], "{range}");
        answer.require("etag");
    }
}

#[test]
fn a_range_behind_the_end_is_refused_with_the_size() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, bytes) = server_with_large_package();
    let size = bytes.len();
    for range in [
        format!("bytes={size}-"),
        format!("bytes={}-{}", size + 1, size + 9),
        "bytes=-0".to_owned(),
    ] {
        let answer = ask(&server, &range);
        assert_eq!(answer.status, 416, "{range}: {answer}");
        assert_eq!(answer.require("content-range"), format!("bytes */{size}"));
    }
}

#[test]
fn a_range_that_makes_no_sense_is_ignored() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, bytes) = server_with_large_package();
    for range in [
        "bytes=9-2",
        "bytes=a-b",
        "bytes=",
        "bytes=-",
        "lines=1-2",
        "bytes 1-2",
        "bytes=1-2-3",
        "bytes=99999999999999999999999-",
    ] {
        let answer = ask(&server, range);
        // A number beyond every file is behind the end in one reading, and no number in another.
        let beyond = range.contains("9999") && answer.status == 416;
        assert!(
            beyond || answer.status == 200 && answer.body == bytes,
            "{range}: {answer}"
        );
    }
}

#[test]
fn several_ranges_give_the_whole_or_each_part() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, bytes) = server_with_large_package();
    let answer = ask(&server, "bytes=0-9,100-109,-10");
    if answer.status == 206 {
        assert!(
            answer
                .require("content-type")
                .starts_with("multipart/byteranges"),
            "{answer}"
        );
        for part in [&bytes[0..10], &bytes[100..110], &bytes[bytes.len() - 10..]] {
            assert!(answer.body.windows(10).any(|window| window == part));
        }
    } else {
        assert_eq!(answer.status, 200, "{answer}");
        assert!(answer.body == bytes);
    }
    // A thousand overlapping ranges must not make the answer larger than the file.
    let many: Vec<String> = (0..1000).map(|start| format!("{start}-")).collect();
    let answer = ask(&server, &format!("bytes={}", many.join(",")));
    assert!(
        answer.body.len() <= bytes.len(),
        "{} bytes",
        answer.body.len()
    );
    assert!(
        [200, 416, 431].contains(&answer.status),
        "{}",
        answer.status
    );
}

#[test]
fn if_range_asks_for_the_part_only_while_the_file_is_the_same() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, bytes) = server_with_large_package();
    let whole = server.alpine("admin", PATH).expect(200);
    let ask = |condition: &str| {
        let call = server.alpine("admin", PATH).header("Range: bytes=0-9");
        call.header(&format!("If-Range: {condition}")).run()
    };
    let same = ask(whole.require("etag"));
    assert_eq!((same.status, same.body.len()), (206, 10), "{same}");
    for other in [
        "\"other\"".to_owned(),
        format!("W/{}", whole.require("etag")),
        "Thu, 01 Jan 1970 00:00:00 GMT".to_owned(),
    ] {
        let answer = ask(&other);
        assert!(
            answer.status == 200 && answer.body == bytes,
            "{other}: {answer}"
        );
    }
}

#[test]
fn curl_goes_on_with_half_a_download() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, bytes) = server_with_large_package();
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("half");
    std::fs::write(&half, &bytes[..100_000]).unwrap();
    let url = format!("{}/api/packages/admin/alpine{PATH}", server.base);
    let curl = std::process::Command::new("curl")
        .args(["-q", "-sSf", "--noproxy", "*", "-C", "-", "-o"])
        .arg(&half)
        .arg(url)
        .status();
    assert!(curl.unwrap().success());
    assert!(std::fs::read(&half).unwrap() == bytes);
}

#[test]
fn an_index_takes_ranges_too() {
    if !curl_or_leave_out() {
        return;
    }
    let (server, _) = server_with_large_package();
    let path = "/v1/main/x86_64/APKINDEX.tar.gz";
    let whole = server.alpine("admin", path).expect(200).body;
    let part = server
        .alpine("admin", path)
        .header("Range: bytes=5-20")
        .expect(206);
    assert!(part.body == whole[5..=20]);
    assert_eq!(
        part.require("content-range"),
        format!("bytes 5-20/{}", whole.len())
    );
}
