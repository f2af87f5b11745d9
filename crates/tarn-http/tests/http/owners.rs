//! What becomes of an owner: another name, an end; and what organisations' tokens and limited tokens get of it.

use std::time::Duration;

use tarn_core::{access::TokenRequest, jobs::sweep};
use tarn_store::metadata::{AuditFilter, AuditResult, OwnerKind, Role, Visibility};

use crate::{
    client::{Connection, Request, delete, get, head, put},
    server::{
        ALICE, BY, HELLO, INDEX, TestServer, expect, hello, name, package, password, refusal,
    },
};

const ALICIA: &str = "/api/packages/alicia/alpine";

async fn rename(server: &TestServer, kind: OwnerKind, old: &str, new: &str) {
    let renamed = server
        .accounts()
        .rename(kind, &name(old), &name(new), &BY)
        .await;
    assert!(renamed.unwrap());
}

#[tokio::test]
async fn the_new_name_is_below_the_path_of_the_base_url() {
    let base_url = Some("https://example.org/a/registry".to_owned());
    let server = TestServer::start_with(|settings| settings.base_url = base_url).await;
    rename(&server, OwnerKind::User, "alice", "alicia").await;
    for target in [INDEX.to_owned(), "/api/v1/users/alice".to_owned()] {
        let answer = server.send(&get(&target)).await.expect(301);
        let new = format!("/a/registry{}", target.replace("/alice", "/alicia"));
        assert_eq!(answer.header("Location"), Some(new.as_str()));
        assert!(answer.text().contains(&new), "{}", answer.text());
    }
}

fn as_alicia(request: Request) -> Request {
    request.basic("alicia", &password("alice"))
}

#[tokio::test]
async fn a_former_name_leads_readers_to_the_new_one() {
    let server = TestServer::with_hello().await;
    server.add_user("dave", Visibility::Public).await;
    let key = server.send(&get(format!("{ALICE}/key"))).await;
    let key_name = key.header("Content-Disposition").unwrap().to_owned();
    rename(&server, OwnerKind::User, "alice", "alicia").await;

    for (old, new) in [
        (HELLO.to_owned(), HELLO.replace("/alice/", "/alicia/")),
        (INDEX.to_owned(), INDEX.replace("/alice/", "/alicia/")),
        (format!("{ALICE}/key"), format!("{ALICIA}/key")),
        // As it was sent, without the query; a name spelled otherwise redirects to the same place.
        (
            "/api/packages/%41lice/alpine/ed%67e/main/x86_64/hello-1.0-r0.apk?token=x".to_owned(),
            format!("{ALICIA}/ed%67e/main/x86_64/hello-1.0-r0.apk"),
        ),
        // The new name comes before whether the file is there.
        (
            format!("{ALICE}/none/main/x86_64/x.apk"),
            format!("{ALICIA}/none/main/x86_64/x.apk"),
        ),
    ] {
        let answer = server.send(&get(&old)).await.refusal(301, "another name");
        assert_eq!(answer.header("Location"), Some(new.as_str()), "{old}");
        let answer = server.send(&head(&old)).await.expect(301);
        assert_eq!(answer.header("Location"), Some(new.as_str()), "{old}");
    }
    let answer = server
        .send(&get(HELLO.replace("/alice/", "/alicia/")))
        .await;
    assert_eq!(answer.expect(200).body, hello());
    let key = server.send(&get(format!("{ALICIA}/key"))).await;
    assert_eq!(key.header("Content-Disposition"), Some(key_name.as_str()));

    // Bodies are not sent twice: a write gets the name in words.
    let upload = put(format!("{ALICE}/edge/main"), package("new", "x86_64"));
    let told = "called alicia now";
    refusal(&server, &as_alicia(upload.clone()), 404, told).await;
    let other = upload.basic("dave", &password("dave"));
    server.send(&other).await.refusal(404, told);
    refusal(&server, &as_alicia(delete(HELLO)), 404, told).await;
    let upload = put(format!("{ALICIA}/edge/main"), package("new", "x86_64"));
    server.send(&as_alicia(upload)).await.expect(201);
    // A former name does not sign in.
    let old = get(INDEX).basic("alice", &password("alice"));
    server.send(&old).await.refusal(401, "wrong");
}

#[tokio::test]
async fn a_former_name_tells_nothing_to_those_who_may_not_read() {
    let server = TestServer::with_hello().await;
    server.add_user("dave", Visibility::Public).await;
    let private = Visibility::Private;
    let hidden = server.accounts();
    hidden
        .set_visibility(OwnerKind::User, &name("alice"), private, &BY)
        .await
        .unwrap();
    rename(&server, OwnerKind::User, "alice", "alicia").await;
    for request in [
        get(HELLO),
        head(HELLO),
        delete(HELLO),
        put(format!("{ALICE}/edge/main"), hello()),
    ] {
        let answer = server.send(&request).await.expect(401);
        assert_eq!(answer.header("Location"), None);
        assert!(!answer.text().contains("alicia"));
        let signed = request.basic("dave", &password("dave"));
        let answer = server.send(&signed).await.expect(403);
        assert_eq!(answer.header("Location"), None);
        assert!(!answer.text().contains("alicia"));
    }
    // Who was refused is in the log, as it is under the new name.
    server.registry.refusals().flush().await;
    let refused = AuditFilter {
        result: Some(AuditResult::Refused),
        ..AuditFilter::default()
    };
    let metadata = server.registry.metadata();
    let refused = metadata.audit_entries(&refused, None, 10).await.unwrap();
    let refused: Vec<_> = refused
        .iter()
        .map(|entry| (entry.account.as_deref(), entry.action.as_str()))
        .collect();
    let dave = |action| (Some("dave"), action);
    assert_eq!(
        refused,
        [
            dave("package.publish"),
            dave("package.delete"),
            dave("package.read"),
            dave("package.read")
        ]
    );
    let answer = server.send(&as_alicia(get(HELLO))).await.expect(301);
    assert!(answer.header("Location").unwrap().starts_with(ALICIA));
}

#[tokio::test]
async fn a_path_beyond_ascii_is_led_on_as_it_came() {
    let server = TestServer::with_hello().await;
    rename(&server, OwnerKind::User, "alice", "alicia").await;
    let request = get(format!("{ALICE}/grün/main/x86_64/x.apk"));
    let answer = server.send(&request).await.expect(301);
    let expected = format!("{ALICIA}/grün/main/x86_64/x.apk");
    assert_eq!(answer.header("Location"), Some(expected.as_str()));
}

/// A server on which an upload has begun: what it asks is decided, and the bytes have not come.
async fn with_upload_begun(path: &str, user: &str) -> (TestServer, Connection) {
    let server = TestServer::start().await;
    server.add_user("dave", Visibility::Public).await;
    server.add_organisation("acme", Visibility::Public).await;
    server.set_member("acme", "dave", Role::Write).await;
    let upload = put(path, hello()).basic(user, &password(user));
    let mut connection = server.connect().await;
    let upload = upload.header("Expect", "100-continue");
    connection.write(&upload.head_bytes()).await;
    connection.answer(false).await.expect(100);
    (server, connection)
}

#[tokio::test]
async fn an_owner_that_goes_while_a_package_comes_is_404() {
    let path = "/api/packages/acme/alpine/edge/main";
    let (server, mut connection) = with_upload_begun(path, "dave").await;
    let (kind, acme) = (OwnerKind::Organisation, name("acme"));
    let removed = server.accounts().remove(kind, &acme, false, &BY).await;
    assert_eq!(removed.unwrap(), 0);
    connection.write(&hello()).await;
    let words = "the owner was removed while the upload was under way";
    connection.answer(false).await.refusal(404, words);
    assert_eq!(server.blobs(), 0);
}

#[tokio::test]
async fn an_uploader_who_goes_while_the_package_comes_is_401() {
    let path = "/api/packages/acme/alpine/edge/main";
    let (server, mut connection) = with_upload_begun(path, "dave").await;
    let (kind, dave) = (OwnerKind::User, name("dave"));
    let removed = server.accounts().remove(kind, &dave, false, &BY).await;
    assert_eq!(removed.unwrap(), 0);
    connection.write(&hello()).await;
    let words = "the account that uploads was removed";
    connection.answer(false).await.refusal(401, words);
    assert_eq!(server.blobs(), 0);
    let index = get(format!("{path}/x86_64/APKINDEX.tar.gz"));
    server.send(&index).await.refusal(404, "no such index");
}

#[tokio::test]
async fn an_upload_to_an_owner_renamed_meanwhile_arrives_under_the_new_name() {
    let path = "/api/packages/acme/alpine/edge/main";
    let (server, mut connection) = with_upload_begun(path, "dave").await;
    rename(&server, OwnerKind::Organisation, "acme", "emca").await;
    connection.write(&hello()).await;
    connection.answer(false).await.expect(201);
    let index = "/api/packages/emca/alpine/edge/main/x86_64/APKINDEX.tar.gz";
    server.send(&get(index)).await.expect(200);
}

#[tokio::test]
async fn a_former_name_is_taken_until_it_is_released() {
    let server = TestServer::with_hello().await;
    server.add_user("dave", Visibility::Public).await;
    rename(&server, OwnerKind::User, "alice", "alicia").await;
    let accounts = server.accounts();
    let (user, alice, dave) = (OwnerKind::User, name("alice"), name("dave"));
    assert!(
        accounts
            .rename(user, &dave, &name("Alice"), &BY)
            .await
            .is_err()
    );
    let made = accounts.add_organisation(&alice, Visibility::Public, &dave, &BY);
    assert!(made.await.is_err());
    // Its owner may take it back, and it is a former name no more; the other one is now.
    rename(&server, OwnerKind::User, "alicia", "Alice").await;
    server.send(&get(HELLO)).await.expect(200);
    let answer = server.send(&get(format!("{ALICIA}/key"))).await.expect(301);
    assert_eq!(
        answer.header("Location"),
        Some("/api/packages/Alice/alpine/key")
    );
    assert!(accounts.release_name(&name("ALICIA"), &BY).await.unwrap());
    refusal(&server, &get(format!("{ALICIA}/key")), 404, "no such owner").await;
    rename(&server, OwnerKind::User, "dave", "alicia").await;
}

#[tokio::test]
async fn a_token_of_an_organisation_publishes_also_when_members_change() {
    let server = TestServer::start().await;
    server.add_user("dave", Visibility::Public).await;
    server.add_organisation("acme", Visibility::Private).await;
    let acme = name("acme");
    let request = TokenRequest {
        limits: "acme/edge/*".parse().unwrap(),
        ..TokenRequest::new("ci", "write:package".parse().unwrap())
    };
    let accounts = server.accounts();
    let kind = OwnerKind::Organisation;
    let (_, token) = accounts
        .add_token(kind, &acme, &request, None, &BY)
        .await
        .unwrap();
    let base = "/api/packages/acme/alpine";
    let upload = |place: &str| put(format!("{base}/{place}"), hello()).bearer(token.expose());
    server.send(&upload("edge/main")).await.expect(201);
    refusal(
        &server,
        &upload("v3.23/main"),
        403,
        "limited to other places",
    )
    .await;
    let file = format!("{base}/edge/main/x86_64/hello-1.0-r0.apk");
    expect(&server, &get(&file).bearer(token.expose()), 200).await;
    // What an owner has of itself is for callers who may read any of it.
    let key = get(format!("{base}/key"));
    expect(&server, &key.clone().bearer(token.expose()), 200).await;
    let elsewhere = get(format!("{ALICE}/key")).bearer(token.expose());
    server.send(&elsewhere).await.refusal(403, "limited");

    // Who made the organisation goes; the token stays.
    server.set_member("acme", "dave", Role::Admin).await;
    let gone = accounts
        .remove(OwnerKind::User, &name("alice"), false, &BY)
        .await;
    gone.unwrap();
    expect(&server, &get(&file).bearer(token.expose()), 200).await;
    // The organisation goes, and the token with it.
    let refused = accounts.remove(kind, &acme, false, &BY).await.unwrap_err();
    assert!(refused.to_string().ends_with("has 1 package"), "{refused}");
    expect(&server, &get(&file).bearer(token.expose()), 200).await;
    assert_eq!(accounts.remove(kind, &acme, true, &BY).await.unwrap(), 1);
    refusal(&server, &get(&file).bearer(token.expose()), 401, "wrong").await;
    server.send(&key).await.refusal(404, "no such owner");
    // No package needs the blob any more: the next sweep takes it.
    assert_eq!(server.blobs(), 1);
    assert_eq!(sweep(&server.registry).await.unwrap().removed, 1);
    assert_eq!(server.blobs(), 0);
}

#[tokio::test]
async fn a_token_is_refused_from_elsewhere_and_once_it_is_over() {
    let server = TestServer::with_hello().await;
    let alice = name("alice");
    let accounts = server.accounts();
    let request = TokenRequest {
        networks: "192.0.2.0/24".parse().unwrap(),
        ..TokenRequest::new("far", "read:package".parse().unwrap())
    };
    let made = accounts.add_token(OwnerKind::User, &alice, &request, None, &BY);
    let (_, far) = made.await.unwrap();
    server
        .send(&get(HELLO).bearer(far.expose()))
        .await
        .refusal(401, "may not be used from this address");
    let request = TokenRequest {
        networks: "127.0.0.1 ::1".parse().unwrap(),
        lifetime: Some(Duration::from_secs(5)),
        ..TokenRequest::new("near", "read:package".parse().unwrap())
    };
    let made = accounts.add_token(OwnerKind::User, &alice, &request, None, &BY);
    let (_, near) = made.await.unwrap();
    expect(&server, &get(HELLO).bearer(near.expose()), 200).await;
    let removed = accounts.remove_token(OwnerKind::User, &alice, "near", &BY);
    assert!(removed.await.unwrap());
    refusal(&server, &get(HELLO).bearer(near.expose()), 401, "wrong").await;
}

#[tokio::test]
async fn a_token_limited_to_an_owner_by_name_follows_it_to_another() {
    let server = TestServer::start().await;
    server.add_organisation("acme", Visibility::Private).await;
    let token = async |label: &str, limits: &str| {
        let request = TokenRequest {
            limits: limits.parse().unwrap(),
            ..TokenRequest::new(label, "write:package".parse().unwrap())
        };
        let alice = name("alice");
        let made = server
            .accounts()
            .add_token(OwnerKind::User, &alice, &request, None, &BY);
        made.await.unwrap().1.expose().to_owned()
    };
    let named = token("named", "acme/edge/* alice/*/*").await;
    let pattern = token("pattern", "acm*/edge/*").await;
    let publish = async |owner: &str, repository: &str, token: &str, package_name: &str| {
        let target = format!("/api/packages/{owner}/alpine/{repository}");
        let upload = put(target, package(package_name, "x86_64")).bearer(token);
        server.send(&upload).await.status
    };
    assert_eq!(publish("acme", "edge/main", &named, "one").await, 201);
    assert_eq!(publish("acme", "edge/main", &pattern, "two").await, 201);
    rename(&server, OwnerKind::Organisation, "acme", "Apex").await;
    assert_eq!(publish("apex", "edge/main", &named, "three").await, 201);
    assert_eq!(publish("apex", "v3.23/main", &named, "three").await, 403);
    assert_eq!(publish("alice", "edge/main", &named, "three").await, 201);
    assert_eq!(publish("apex", "edge/main", &pattern, "four").await, 403);
    // Who comes by the old name is led on.
    let old = get("/api/packages/acme/alpine/edge/main/x86_64/one-1.0-r0.apk").bearer(&named);
    let moved = server.send(&old).await.expect(301);
    let new = get(moved.header("Location").unwrap()).bearer(&named);
    server.send(&new).await.expect(200);

    let metadata = server.registry.metadata();
    let filter = AuditFilter {
        action: Some("org.rename".to_owned()),
        ..AuditFilter::default()
    };
    let log = metadata.audit_entries(&filter, None, 10).await.unwrap();
    assert_eq!(
        log[0].detail.as_deref(),
        Some("from acme to Apex, and so in the limits of 1 token")
    );
    rename(&server, OwnerKind::Organisation, "apex", "acme").await;
    assert_eq!(publish("acme", "edge/main", &named, "five").await, 201);
    assert_eq!(publish("acme", "edge/main", &pattern, "six").await, 201);
}
