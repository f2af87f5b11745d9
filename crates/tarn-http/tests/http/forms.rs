//! Uploads as `multipart/form-data`.

use crate::{
    client::{Answer, put},
    server::{ALICE, TestServer, hello, password},
};

const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"hello.apk\"\r\n\
                    Content-Type: application/octet-stream";
const TEXT: &str = "Content-Disposition: form-data; name=\"text\"";

/// A form, up to its last boundary where `whole` says so.
fn form(boundary: &str, parts: &[(&str, Vec<u8>)], whole: bool) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend(content);
        body.extend(b"\r\n");
    }
    if whole {
        body.extend(format!("--{boundary}--\r\n").as_bytes());
    }
    body
}

async fn upload(server: &TestServer, content_type: &str, body: Vec<u8>) -> Answer {
    let request = put(format!("{ALICE}/edge/main"), body)
        .header("Content-Type", content_type)
        .basic("alice", &password("alice"));
    server.send(&request).await
}

#[tokio::test]
async fn the_first_file_of_a_form_is_the_package() {
    let text = || (TEXT, b"about it".to_vec());
    let file = || (FILE, hello());
    let usual = "multipart/form-data; boundary=X";
    let before = [b"a preamble\r\n".to_vec(), form("X", &[file()], true)].concat();
    let after = [form("X", &[file()], true), vec![b'e'; 200_000]].concat();
    for (what, content_type, body) in [
        ("alone", usual, form("X", &[file()], true)),
        ("after a text", usual, form("X", &[text(), file()], true)),
        ("before a text", usual, form("X", &[file(), text()], true)),
        (
            "before another",
            usual,
            form("X", &[file(), (FILE, b"x".to_vec())], true),
        ),
        (
            "quoted",
            "multipart/form-data; boundary=\"X y\"",
            form("X y", &[file()], true),
        ),
        (
            "upper case",
            "Multipart/Form-Data; Boundary=X",
            form("X", &[file()], true),
        ),
        ("after a preamble", usual, before),
        ("before an epilogue", usual, after),
    ] {
        let server = TestServer::start().await;
        let answer = upload(&server, content_type, body).await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_form_without_a_whole_file_is_refused() {
    let server = TestServer::start().await;
    let usual = "multipart/form-data; boundary=X";
    let file = || (FILE, hello());
    for (content_type, body, words) in [
        (
            "multipart/form-data",
            form("X", &[file()], true),
            "boundary",
        ),
        (usual, form("Y", &[file()], true), "form"),
        (usual, form("X", &[(TEXT, hello())], true), "no file"),
        (usual, form("X", &[], true), "no file"),
        (usual, form("X", &[file()], false), "form"),
        (usual, form("X", &[(FILE, Vec::new())], true), "empty"),
        (usual, hello(), "form"),
        (usual, Vec::new(), "form"),
    ] {
        upload(&server, content_type, body)
            .await
            .refusal(400, words);
        assert_eq!(server.blobs(), 0);
    }
}

#[tokio::test]
async fn what_comes_before_the_file_is_bounded() {
    let server = TestServer::start().await;
    let usual = "multipart/form-data; boundary=X";
    let much = 4 << 20;
    let preamble = [vec![b'p'; much], form("X", &[(FILE, hello())], true)].concat();
    let long = format!("{FILE}\r\nX-Long: {}", "h".repeat(much));
    let header = form("X", &[(&long, hello())], true);
    let text = form("X", &[(TEXT, vec![b't'; much]), (FILE, hello())], true);
    for body in [preamble, header, text] {
        upload(&server, usual, body)
            .await
            .refusal(400, "more than 65536 bytes before its file");
        assert_eq!(server.blobs(), 0);
    }
}

#[tokio::test]
async fn the_limit_of_an_upload_holds_inside_a_form() {
    let server = TestServer::start_with(|settings| settings.max_upload = 100_000).await;
    let large = apk_testkit::v2::PackageBuilder::new("large", "1.0-r0")
        .random_file("usr/share/large", 120_000)
        .build();
    let body = form("X", &[(FILE, large)], true);
    upload(&server, "multipart/form-data; boundary=X", body)
        .await
        .refusal(413, "100000 bytes");
    assert_eq!(server.blobs(), 0);
}
