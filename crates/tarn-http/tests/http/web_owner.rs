//! The pages by which owners are looked after: uploads, deleted packages, keys, members, teams, expiry, limits, audit.

use std::time::Duration;

use tarn_store::metadata::{Role, Visibility};

use crate::{
    browser::{Browser, between},
    client::get,
    pages::is_page,
    server::{HELLO, TestServer, expect, hello, name, package, password},
};

#[tokio::test]
async fn packages_are_uploaded_deleted_and_restored() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let page = browser
        .get("/-/upload/alice?branch=edge&repository=main")
        .await
        .expect(200);
    is_page(&page);
    assert!(page.text().contains("value=\"edge\""));
    let path = "/-/upload/alice";
    let (one, two) = (hello(), package("world", "noarch"));
    let answer = browser
        .upload(path, ("edge", "main"), &[("a.apk", &one), ("b.apk", &two)])
        .await;
    assert_eq!(
        answer.expect(303).header("Location"),
        Some("/alice/edge/main")
    );
    server.send(&get(HELLO)).await.expect(200);
    assert_eq!(server.blobs(), 2);

    // Refused in the server's words; what is good beside it is taken.
    let again: [(&str, &[u8]); 3] = [
        ("a.apk", &one),
        ("c.apk", &package("three", "x86_64")),
        ("junk.apk", b"no package"),
    ];
    let page = browser
        .upload(path, ("edge", "main"), &again)
        .await
        .expect(409)
        .text();
    assert!(
        page.contains("<strong>a.apk</strong>: Package file already exists"),
        "{page}"
    );
    assert!(
        page.contains("three-1.0-r0.apk (x86_64) is published."),
        "{page}"
    );
    assert_eq!(page.matches("note bad").count(), 2);
    assert_eq!(server.blobs(), 3);
    for (into, files, status) in [
        (("edge", "main"), vec![], 422),
        (("", "main"), vec![("x.apk", &one[..])], 400),
        (("a/b", "main"), vec![("x.apk", &one[..])], 400),
        (("edge", "main"), vec![("", &b""[..])], 422),
    ] {
        browser.upload(path, into, &files).await.expect(status);
    }
    assert_eq!(server.blobs(), 3);

    let delete = "/-/delete/alice/edge/main/x86_64/hello-1.0-r0.apk";
    let page = browser.get(delete).await.expect(200);
    is_page(&page);
    assert!(page.text().contains("It can be restored for 7 days."));
    let page = browser.post_and_follow(delete, &[]).await;
    is_page(&page);
    let page = page.text();
    assert!(page.contains("hello-1.0-r0.apk is deleted."), "{page}");
    assert!(page.contains("7 days"), "{page}");
    server.send(&get(HELLO)).await.expect(404);
    browser.get(delete).await.expect(404);
    browser.expect(delete, &[], 404).await;
    let file = between(&page, "name=\"file\" value=\"", "\"").to_owned();
    server
        .clock
        .advance(Duration::from_secs(6 * 86_400 + 3_600));
    let page = browser.text("/-/owners/alice/deleted").await;
    assert!(page.contains("23 hours"), "{page}");
    let restore = "/-/owners/alice/deleted/restore";
    let page = browser.followed(restore, &[("file", &*file)]).await;
    assert!(page.contains("hello 1.0-r0 is restored."), "{page}");
    server.send(&get(HELLO)).await.expect(200);
    browser.expect(restore, &[("file", "999")], 404).await;
}

#[tokio::test]
async fn a_script_uploads_one_file_and_gets_a_line() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    // As the script asks: no page.
    let send = async |browser: &mut Browser<'_>, bytes: &[u8]| {
        let cookie = format!("tarn={}", browser.cookies.get("tarn").unwrap());
        let mut body = b"--edge\r\nContent-Disposition: form-data; name=\"branch\"\r\n\r\nedge\r\n\
            --edge\r\nContent-Disposition: form-data; name=\"repository\"\r\n\r\nmain\r\n\
            --edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.apk\"\r\n\r\n"
            .to_vec();
        body.extend(bytes);
        body.extend(b"\r\n--edge--\r\n");
        let request = crate::client::post("/-/upload/alice", body)
            .header("Cookie", &cookie)
            .header("Origin", "http://registry.test")
            .header("Accept", "text/plain")
            .header("Content-Type", "multipart/form-data; boundary=edge");
        server.send(&request).await
    };
    let line = send(&mut browser, &hello()).await.expect(201).text();
    assert_eq!(line, "hello-1.0-r0.apk (x86_64) is published.");
    send(&mut browser, &hello())
        .await
        .refusal(409, "package file already exists");
}

#[tokio::test]
async fn keys_are_rotated_and_retired() {
    let server = TestServer::with_hello().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    expect(&server, &get("/api/packages/alice/alpine/key"), 200).await;
    let path = "/-/owners/alice/keys";
    let page = browser.get(path).await.expect(200);
    is_page(&page);
    let page = page.text();
    let first = between(&page, "<td class=\"name\"><code>", "</code>").to_owned();
    assert!(
        !page.contains("/keys/retire"),
        "the only key can't be retired"
    );
    assert!(page.contains("The only RSA key that signs"), "{page}");
    let fetched = format!("http://registry.test/api/packages/alice/alpine/{first}</pre>");
    assert!(page.contains(&fetched), "{page}");
    assert_eq!(
        page.matches(&*first).count(),
        page.matches(between(&first, "@", ".rsa")).count()
    );
    let download = between(&page, "<a class=\"button quiet\" href=\"", "\"").to_owned();
    assert!(browser.text(&download).await.contains("BEGIN PUBLIC KEY"));
    let only = browser
        .expect(&format!("{path}/retire"), &[("name", &*first)], 409)
        .await
        .text();
    assert!(only.contains("it is the only active RSA key"), "{only}");
    let page = browser
        .followed(&format!("{path}/rotate"), &[("type", "rsa")])
        .await;
    assert!(page.contains("signs from now on"), "{page}");
    assert_eq!(page.matches(">active<").count(), 2);
    browser
        .expect(&format!("{path}/rotate"), &[("type", "rsa")], 409)
        .await;
    let page = browser
        .followed(&format!("{path}/retire"), &[("name", &*first)])
        .await;
    assert!(page.contains("The key is retired."));
    assert_eq!(page.matches(">retired<").count(), 1);
    let page = browser
        .followed(&format!("{path}/reactivate"), &[("name", &*first)])
        .await;
    assert_eq!(page.matches(">active<").count(), 2, "{page}");
    browser
        .expect(&format!("{path}/retire"), &[("name", "../x")], 422)
        .await;
}

/// The organisation acme with a reader, a writer, and alice for its admin.
pub(crate) async fn organisation(server: &TestServer) {
    server.add_organisation("acme", Visibility::Public).await;
    for user in ["reader", "writer"] {
        server.add_user(user, Visibility::Public).await;
    }
    server.set_member("acme", "reader", Role::Read).await;
    server.set_member("acme", "writer", Role::Write).await;
}

#[tokio::test]
async fn members_and_teams_are_looked_after() {
    let server = TestServer::start().await;
    organisation(&server).await;
    server.add_user("bob", Visibility::Public).await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let path = "/-/owners/acme/members";
    is_page(&browser.get(path).await.expect(200));
    let page = browser
        .followed(path, &[("user", "bob"), ("role", "write")])
        .await;
    assert!(page.contains("bob has the role write."), "{page}");
    for (fields, status) in [
        ([("user", "carol"), ("role", "read")], 404),
        ([("user", "bob"), ("role", "king")], 422),
        ([("user", "alice"), ("role", "read")], 409),
    ] {
        browser.expect(path, &fields, status).await;
    }
    let remove = format!("{path}/remove");
    let page = browser.followed(&remove, &[("user", "bob")]).await;
    assert!(page.contains("bob is no longer a member."));
    browser.expect(&remove, &[("user", "alice")], 409).await;

    let path = "/-/owners/acme/teams";
    is_page(&browser.get(path).await.expect(200));
    let fields = [
        ("name", "kernel"),
        ("role", "write"),
        ("limits", "edge/kernel"),
    ];
    let page = browser.post_and_follow(path, &fields).await;
    is_page(&page);
    assert!(page.text().contains("The team kernel is added."));
    let kernel = format!("{path}/kernel");
    let members = format!("{kernel}/members");
    let bob = [("user", "bob")];
    let page = browser.followed(&members, &bob).await;
    assert!(page.contains("bob is in kernel."), "{page}");
    let page = browser.text(path).await;
    let row = between(&page, "/teams/kernel\">kernel</a>", "</tr>");
    assert!(row.contains("<code>edge/kernel</code>"), "{row}");
    assert!(row.contains("data-label=\"Members\">1</td>"), "{row}");
    let mut bobs = Browser::signed_in(&server, "bob").await;
    let upload = "/-/upload/acme";
    bobs.get(upload).await.expect(200);
    bobs.upload(upload, ("edge", "main"), &[("a.apk", &hello())])
        .await
        .expect(403);
    let taken = bobs
        .upload(upload, ("edge", "kernel"), &[("a.apk", &hello())])
        .await;
    taken.expect(303);
    let limits = [("limits", "edge/main edge/kernel")];
    browser
        .post_and_follow(&format!("{kernel}/limits"), &limits)
        .await;
    let taken = bobs
        .upload(upload, ("edge", "main"), &[("a.apk", &hello())])
        .await;
    taken.expect(303);
    for (form, fields, status) in [
        ("members", [("user", "carol")], 404),
        ("members", [("user", "a/b")], 422),
        ("limits", [("limits", "edge")], 422),
    ] {
        let form = format!("{kernel}/{form}");
        browser.expect(&form, &fields, status).await;
    }
    browser
        .post_and_follow(&format!("{members}/remove"), &bob)
        .await;
    let refused = bobs.get(upload).await.expect(403).text();
    assert!(
        refused.contains("may read these packages but not change them"),
        "{refused}"
    );
    let page = browser.followed(&format!("{kernel}/remove"), &[]).await;
    assert!(page.contains("The team kernel is deleted."));
    browser.get(&kernel).await.expect(404);
    browser
        .expect(&format!("{path}/admins/remove"), &[], 409)
        .await;
    browser
        .expect(
            path,
            &[("name", "x"), ("role", "read"), ("limits", "edge/main")],
            422,
        )
        .await;
}

#[tokio::test]
async fn rules_of_expiry_are_previewed() {
    let server = TestServer::with_hello().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let path = "/-/owners/alice/expiry";
    is_page(&browser.get(path).await.expect(200));
    server.clock.advance(Duration::from_secs(40 * 86_400));
    let mut browser_again = Browser::signed_in(&server, "alice").await;
    let fields = [("pattern", "edge/*"), ("days", "30"), ("keep", "0")];
    let page = browser_again.followed(path, &fields).await;
    assert!(page.contains("The rule for edge/* is saved."), "{page}");
    assert!(page.contains("1 package file with"), "{page}");
    assert!(page.contains("hello 1.0-r0"));
    server.send(&get(HELLO)).await.expect(200);
    let fields = [("pattern", "edge/*"), ("days", "0"), ("keep", "0")];
    browser_again.expect(path, &fields, 422).await;
    let page = browser_again
        .followed(&format!("{path}/remove"), &[("pattern", "edge/*")])
        .await;
    assert!(page.contains("There are no rules."));
    assert_eq!(browser.get(path).await.status, 303, "unused for 40 days");
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_exported() {
    let server = TestServer::with_hello().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let path = "/-/owners/alice/audit";
    let page = browser.get(path).await.expect(200);
    is_page(&page);
    assert!(page.text().contains("<code>package.publish</code>"));
    let page = browser.text(&format!("{path}?action=session.")).await;
    assert!(
        page.contains("session.add") && !page.contains("package.publish"),
        "{page}"
    );
    assert!(page.contains("export?action=session."), "{page}");
    let none = browser.text(&format!("{path}?since=2030-01-01")).await;
    assert!(none.contains("No entries."));
    browser
        .get(&format!("{path}?since=yesterday"))
        .await
        .expect(422);
    browser
        .get(&format!("{path}?account=a%2Fb"))
        .await
        .expect(400);
    let file = browser
        .get(&format!("{path}/export?action=package."))
        .await
        .expect(200);
    assert_eq!(file.header("Content-Type"), Some("application/x-ndjson"));
    assert_eq!(file.text().lines().count(), 1);
}

#[tokio::test]
async fn an_organisation_is_changed_renamed_and_deleted() {
    let server = TestServer::start().await;
    organisation(&server).await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let path = "/-/owners/acme";
    is_page(&browser.get(path).await.expect(200));
    let fields = [("visibility", "limited"), ("versions", "lenient")];
    let page = browser.followed(path, &fields).await;
    assert!(page.contains("<option value=\"limited\" selected>"));
    assert!(page.contains("<option value=\"lenient\" selected>"));
    server.clock.advance(Duration::from_secs(660));
    let renamed = [("new_name", "apex")];
    browser
        .expect(&format!("{path}/rename"), &renamed, 403)
        .await;
    let password = password("alice");
    let renamed = [("new_name", "apex"), ("password", &*password)];
    browser
        .post_and_follow(&format!("{path}/rename"), &renamed)
        .await;
    let moved = browser.get("/-/owners/acme/keys").await.expect(301);
    assert_eq!(moved.header("Location"), Some("/-/owners/apex/keys"));
    browser
        .upload("/-/upload/apex", ("edge", "main"), &[("a.apk", &hello())])
        .await
        .expect(303);
    let remove = "/-/owners/apex/remove";
    browser.expect(remove, &[("confirm", "acme")], 422).await;
    browser.expect(remove, &[("confirm", "apex")], 409).await;
    // What can't be undone needs the password once that was given some time ago.
    server.clock.advance(Duration::from_secs(660));
    for given in ["", "wrong"] {
        let fields = [
            ("confirm", "apex"),
            ("packages", "delete"),
            ("password", given),
        ];
        let page = browser.expect(remove, &fields, 403).await;
        is_page(&page);
        assert!(page.text().contains("type=\"password\""), "{given}");
        let kept = server.registry.metadata().owner(&name("apex")).await;
        assert!(kept.unwrap().is_some(), "{given}");
    }
    let fields = [
        ("confirm", "apex"),
        ("packages", "delete"),
        ("password", &*password),
    ];
    let answer = browser.expect(remove, &fields, 303).await;
    assert_eq!(answer.header("Location"), Some("/"));
    let found = server
        .registry
        .metadata()
        .owner(&name("apex"))
        .await
        .unwrap();
    assert!(found.is_none());
    // A user neither renames nor deletes the own account: administrators do.
    let own = [("new_name", "bob")];
    browser.expect("/-/owners/alice/rename", &own, 403).await;
    browser
        .expect("/-/owners/alice/remove", &[("confirm", "alice")], 403)
        .await;
    let kept = server.registry.metadata().owner(&name("alice")).await;
    assert!(kept.unwrap().is_some());
}
