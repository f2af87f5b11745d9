//! The pages of one's own account: password, second factor, sessions, tokens, visibility.

use std::time::Duration;

use crate::{
    browser::{Browser, between},
    client::{get, put},
    generator::Generator,
    pages::is_page,
    server::{ALICE, TestServer, hello, password},
};

const LATER: Duration = Duration::from_secs(11 * 60);

async fn is_out(browser: &mut Browser<'_>) -> bool {
    browser.get("/-/settings").await.status == 303
}

#[tokio::test]
async fn the_password_is_changed_and_other_sessions_end() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let mut other = Browser::signed_in(&server, "alice").await;
    server.clock.advance(LATER);
    let page = browser.get("/-/settings/password").await.expect(200);
    is_page(&page);
    assert!(
        page.text().contains("Your password"),
        "it asks for the old one"
    );
    let old = password("alice");
    let path = "/-/settings/password";
    let new = "a new and long password";
    for (fields, status, says) in [
        (
            vec![("new", new), ("again", new)],
            403,
            "Type your password",
        ),
        (
            vec![("password", "wrong"), ("new", new), ("again", new)],
            403,
            "The password is wrong",
        ),
        (
            vec![("password", &*old), ("new", new), ("again", "another")],
            422,
            "The two new passwords differ",
        ),
        (
            vec![("password", &*old), ("new", "short"), ("again", "short")],
            422,
            "password",
        ),
    ] {
        let refused = browser.expect(path, &fields, status).await.text();
        assert!(
            between(&refused, "role=\"alert\"", "</div>").contains(says),
            "{refused}"
        );
    }
    let fields = [("password", &*old), ("new", new), ("again", new)];
    let page = browser.followed(path, &fields).await;
    assert!(page.contains("Your password is changed."), "{page}");
    assert!(!is_out(&mut browser).await);
    assert!(is_out(&mut other).await);
    // The notice is said once.
    let again = browser.text(path).await;
    assert!(!again.contains("Your password is changed."));
    let mut fresh = Browser::new(&server);
    let fields = [("name", "alice"), ("password", new)];
    fresh.expect("/-/login", &fields, 303).await;
}

#[tokio::test]
async fn a_second_factor_is_turned_on_and_off() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let mut other = Browser::signed_in(&server, "alice").await;
    let path = "/-/settings/second-factor";
    let page = browser.text(path).await;
    assert!(page.contains("Set up a second factor"));
    assert!(!page.contains("Your password"), "it was given a moment ago");
    server.clock.advance(LATER);
    let begin = format!("{path}/begin");
    let refused = browser.expect(&begin, &[], 403).await.text();
    assert!(refused.contains("Type your password"), "{refused}");
    let old = password("alice");
    let page = browser.expect(&begin, &[("password", &*old)], 200).await;
    is_page(&page);
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    let page = page.text();
    assert!(page.contains("<svg "), "the QR code");
    let uri = between(&page, "<code id=\"otpauth\">", "</code>").replace("&#38;", "&");
    let uri = uri.replace("&amp;", "&");
    let generator = Generator::of(&uri);
    let secret = between(&page, "<code id=\"secret\">", "</code>").replace(' ', "");
    assert!(uri.contains(&secret));
    // Until a code confirms it, the password is enough, and the secret is not shown again.
    let page = browser.text(path).await;
    assert!(!page.contains(&secret) && !page.contains("<svg xmlns"));
    let confirm = format!("{path}/confirm");
    let wrong = generator.wrong(server.clock.now());
    browser.expect(&confirm, &[("code", &*wrong)], 403).await;
    let right = generator.code(server.clock.now());
    let page = browser
        .expect(&confirm, &[("code", &*right)], 200)
        .await
        .text();
    let codes = between(&page, "<pre id=\"recovery-codes\">", "</pre>");
    let codes: Vec<&str> = codes.lines().collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    assert!(!is_out(&mut browser).await);
    assert!(
        is_out(&mut other).await,
        "it was signed in without the code"
    );
    let page = browser.text(path).await;
    assert!(page.contains("10 recovery codes left"), "{page}");
    assert!(!page.contains(codes[0]));
    // New recovery codes, with one of the old.
    let renew = format!("{path}/recovery-codes");
    let page = browser
        .expect(&renew, &[("code", codes[0])], 200)
        .await
        .text();
    let renewed = between(&page, "<pre id=\"recovery-codes\">", "</pre>").to_owned();
    let renewed: Vec<&str> = renewed.lines().collect();
    assert!(!renewed.contains(&codes[1]));
    let disable = format!("{path}/disable");
    browser.expect(&disable, &[("code", codes[1])], 403).await;
    let page = browser.followed(&disable, &[("code", renewed[0])]).await;
    assert!(page.contains("The second factor is off."), "{page}");
    Browser::signed_in(&server, "alice").await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let server = TestServer::start().await;
    let mut one = Browser::signed_in(&server, "alice").await;
    let mut two = Browser::signed_in(&server, "alice").await;
    let mut three = Browser::signed_in(&server, "alice").await;
    let path = "/-/settings/sessions";
    let page = one.get(path).await.expect(200);
    is_page(&page);
    let page = page.text();
    assert_eq!(page.matches("Test Browser 1.0").count(), 3, "{page}");
    assert_eq!(page.matches("this browser").count(), 1);
    assert_eq!(page.matches("127.0.0.1").count(), 5, "{page}");
    let newest = between(&page, "name=\"session\" value=\"", "\"").to_owned();
    let page = one
        .followed("/-/settings/sessions/end", &[("session", &*newest)])
        .await;
    assert!(page.contains("The session has ended."));
    assert!(is_out(&mut three).await && !is_out(&mut two).await);
    let page = one.followed("/-/settings/sessions/end-others", &[]).await;
    assert!(page.contains("One session has ended."), "{page}");
    assert!(is_out(&mut two).await && !is_out(&mut one).await);
    // Of another user, nothing ends.
    server
        .add_user("bob", tarn_store::metadata::Visibility::Public)
        .await;
    let mut bob = Browser::signed_in(&server, "bob").await;
    let page = one.get(path).await.text();
    assert_eq!(page.matches("Test Browser 1.0").count(), 1);
    let numbers: Vec<String> = (1..10).map(|number| number.to_string()).collect();
    for number in &numbers {
        // In the end it is bob's own.
        bob.post("/-/settings/sessions/end", &[("session", number)])
            .await;
    }
    assert!(!is_out(&mut one).await);
}

#[tokio::test]
async fn a_token_is_made_used_and_revoked() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let path = "/-/settings/tokens";
    is_page(&browser.get(path).await.expect(200));
    let fields = [
        ("label", "ci"),
        ("scope", "write:package"),
        ("limits", "alice/edge/*"),
        ("days", "30"),
    ];
    let page = browser.expect(path, &fields, 200).await;
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    let page = page.text();
    let token = between(&page, "<pre id=\"token\">", "</pre>").to_owned();
    assert!(page.contains(&format!(
        "machine registry.test login alice password {token}"
    )));
    // The lines are for what it may do, with a repository that it may be used for.
    let url = "http://registry.test/api/packages/alice/alpine/edge/main";
    let upload =
        format!("--user \"alice:$TARN_TOKEN\" --upload-file \"$file\" \"{url}?if-exists=same\"");
    assert_eq!(page.matches(&upload).count(), 2, "{page}");
    assert!(
        page.contains("TARN_TOKEN: ${{ secrets.TARN_TOKEN }}"),
        "{page}"
    );
    let publish = |branch: &str| put(format!("{ALICE}/{branch}/main"), hello()).bearer(&token);
    server.send(&publish("edge")).await.expect(201);
    server.send(&publish("v3.23")).await.expect(403);
    let page = browser.text(path).await;
    assert!(!page.contains(&token));
    assert!(page.contains("on alice/edge/*"), "{page}");

    for (fields, status, says) in [
        (
            vec![("label", "ci"), ("scope", "read:package")],
            409,
            "already has a token called",
        ),
        (vec![("label", "x")], 422, "scope"),
        (
            vec![("label", "x"), ("scope", "read:package"), ("days", "soon")],
            422,
            "not a number",
        ),
        (
            vec![
                ("label", "x"),
                ("scope", "read:package"),
                ("networks", "everywhere"),
            ],
            422,
            "everywhere",
        ),
    ] {
        let refused = browser.expect(path, &fields, status).await.text();
        assert!(
            between(&refused, "role=\"alert\"", "</div>").contains(says),
            "{refused}"
        );
    }
    for (scope, publishes, reads) in [
        ("read:package", false, true),
        ("read:user", false, false),
        ("delete:package", false, true),
    ] {
        let fields = [("label", scope), ("scope", scope)];
        let page = browser.expect(path, &fields, 200).await.text();
        assert_eq!(page.contains("--upload-file"), publishes, "{page}");
        assert_eq!(page.contains("machine registry.test"), reads, "{page}");
        let line = "@registry.test/api/packages/alice/alpine/v3.23/main</pre>";
        assert_eq!(page.contains(line), reads, "{page}");
    }
    // What administers needs a password that was given lately.
    server.clock.advance(LATER);
    let admin = [("label", "admin"), ("scope", "admin")];
    browser.expect(path, &admin, 403).await;
    let password = password("alice");
    let fields = [admin[0], admin[1], ("password", &*password)];
    browser.expect(path, &fields, 200).await;
    let revoke = format!("{path}/revoke");
    let page = browser.followed(&revoke, &[("label", "ci")]).await;
    assert!(page.contains("The token ci is revoked."));
    server.send(&publish("edge")).await.expect(401);
}

#[tokio::test]
async fn the_first_page_of_a_new_server_says_how_to_publish() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let page = browser.text("/").await;
    for part in [
        "tarn token add --user alice --name publish",
        "/api/packages/alice/alpine/v3.23/main</pre>",
        "<a href=\"/-/upload/alice\">upload it with this browser</a>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let stranger = Browser::new(&server).text("/").await;
    assert!(stranger.contains("--user USER:TOKEN"), "{stranger}");
}

#[tokio::test]
async fn visibility_is_changed_and_private_pages_ask_to_sign_in() {
    let server = TestServer::with_hello().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    is_page(&browser.get("/-/settings").await.expect(200));
    let page = browser
        .followed("/-/settings", &[("visibility", "private")])
        .await;
    assert!(page.contains("Your profile is saved."));
    assert!(page.contains("<option value=\"private\" selected>"));
    browser
        .expect("/-/settings", &[("visibility", "secret")], 422)
        .await;
    browser.get("/alice").await.expect(200);
    let mut stranger = Browser::new(&server);
    let asked = stranger.get("/alice").await.expect(303);
    assert_eq!(
        asked.header("Location"),
        Some("/-/login?to=%2Falice&needed=yes")
    );
    // A program is answered as ever.
    server.send(&get("/alice")).await.expect(401);
    server
        .add_user("bob", tarn_store::metadata::Visibility::Public)
        .await;
    let mut bob = Browser::signed_in(&server, "bob").await;
    bob.get("/alice").await.expect(404);
}

#[tokio::test]
async fn tokens_do_nothing_on_the_pages_of_settings() {
    let server = TestServer::start().await;
    let token = server.token("alice", "all").await;
    for path in ["/-/settings", "/-/settings/tokens", "/-/owners/alice/keys"] {
        let request = get(path).bearer(&token).header("Accept", "text/html");
        let refused = server.send(&request).await.expect(403).text();
        assert!(refused.contains("take no token"), "{refused}");
    }
}
