//! Signing in with a browser: the forms, the cookies, and when a session ends.

use std::time::Duration;

use tarn_base::secret::Secret;
use tarn_store::metadata::{OwnerKind, Visibility};

use crate::{
    browser::{Browser, form},
    client::Answer,
    pages::page,
    second_factor::enrol,
    server::{BY, TestServer, name, password},
};

const DAY: Duration = Duration::from_secs(86_400);

fn set_cookies(answer: &Answer) -> Vec<&str> {
    let found = answer.headers.iter();
    let found = found.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    found.map(|(_, value)| value.as_str()).collect()
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.get("/-/settings").await;
    match answer.status {
        200 => true,
        303 => {
            assert_eq!(
                answer.header("Location"),
                Some("/-/login?to=%2F-%2Fsettings&needed=yes")
            );
            false
        }
        other => panic!("{other}: {}", answer.text()),
    }
}

#[tokio::test]
async fn a_form_that_is_still_being_sent_holds_up_no_page() {
    let server = TestServer::start().await;
    let mut slow = server.connect().await;
    let head = "POST /-/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nn";
    slow.write(head.as_bytes()).await;
    // Nothing says that the server has it; so often it would have.
    for _ in 0..20 {
        server.send(&page("/-/login")).await.expect(200);
    }
}

#[tokio::test]
async fn signs_in_and_out() {
    let server = TestServer::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/-/login?to=/alice&needed=yes").await;
    assert!(
        page.expect(200)
            .text()
            .contains("<code>/alice</code> needs an account")
    );
    let page = browser.get("/-/login?to=/alice").await.expect(200);
    assert!(!page.text().contains("is not public"));
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert!(
        page.text()
            .contains(r#"<input type="hidden" name="to" value="/alice">"#)
    );
    assert!(!is_signed_in(&mut browser).await);

    let (right, wrong) = (password("alice"), password("bob"));
    let fields = [
        ("name", "alice"),
        ("password", wrong.as_str()),
        ("to", "/alice"),
    ];
    let refused = browser.expect("/-/login", &fields, 403).await;
    assert!(
        refused
            .text()
            .contains("The name or the password is wrong.")
    );
    assert!(
        refused.text().contains(r#"value="alice""#),
        "the name is still there"
    );
    assert!(!refused.text().contains(&wrong));
    assert_eq!(refused.header("WWW-Authenticate"), None);
    assert_eq!(set_cookies(&refused), [""; 0]);

    let fields = [
        ("name", "alice"),
        ("password", right.as_str()),
        ("to", "/alice?x=1"),
    ];
    let answer = browser.expect("/-/login", &fields, 303).await;
    assert_eq!(answer.header("Location"), Some("/alice?x=1"));
    let cookies = set_cookies(&answer);
    let session = cookies
        .iter()
        .find(|cookie| cookie.starts_with("tarn="))
        .unwrap();
    assert!(
        session.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"),
        "{session}"
    );
    let secret = browser.cookies.get("tarn").unwrap().clone();
    assert_eq!(secret.len(), 43);
    assert!(is_signed_in(&mut browser).await);
    // Who is signed in is led on at once.
    let again = browser.get("/-/login?to=/alice").await.expect(303);
    assert_eq!(again.header("Location"), Some("/alice"));

    let out = browser.expect("/-/logout", &[], 303).await;
    assert_eq!(out.header("Location"), Some("/"));
    assert!(!browser.cookies.contains_key("tarn"));
    browser.cookies.insert("tarn".to_owned(), secret.clone());
    assert!(!is_signed_in(&mut browser).await, "the secret still counts");
    // Nowhere in the database.
    let files = server.database_files().await;
    assert!(
        !files
            .windows(secret.len())
            .any(|bytes| bytes == secret.as_bytes())
    );
}

#[tokio::test]
async fn a_session_is_of_the_pages_and_not_of_the_api() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    browser.get("/api/v1/user").await.expect(401);
    let put = crate::client::put(
        "/api/packages/alice/alpine/edge/main",
        crate::server::hello(),
    );
    browser.send(put).await.expect(401);
}

#[tokio::test]
async fn asks_for_the_code_of_a_second_factor() {
    let server = TestServer::start().await;
    let (generator, recovery) = enrol(&server).await;
    server.clock.advance(Duration::from_secs(60));
    let mut browser = Browser::new(&server);
    let begin = async |browser: &mut Browser<'_>| {
        let fields = [
            ("name", "alice"),
            ("password", &*password("alice")),
            ("to", "/alice"),
        ];
        let answer = browser.expect("/-/login", &fields, 303).await;
        let code = answer.header("Location").unwrap().to_owned();
        assert_eq!(code, "/-/login/code?to=%2Falice");
        assert!(!browser.cookies.contains_key("tarn"));
        code
    };
    // Without the first step there is no second.
    let early = browser.get("/-/login/code").await.expect(303);
    assert_eq!(early.header("Location"), Some("/-/login"));

    let code_page = begin(&mut browser).await;
    browser.get(&code_page).await.expect(200);
    assert!(!is_signed_in(&mut browser).await);
    // Nor does what the first step gave open a file of a private owner.
    let accounts = server.accounts();
    let private = Visibility::Private;
    accounts
        .set_visibility(OwnerKind::User, &name("alice"), private, &BY)
        .await
        .unwrap();
    browser
        .get("/api/packages/alice/alpine/key")
        .await
        .expect(401);
    let send = async |browser: &mut Browser<'_>, code: &str| {
        browser
            .post("/-/login/code", &[("code", code), ("to", "/alice")])
            .await
    };
    let odd = send(&mut browser, "12").await.expect(422).text();
    assert!(odd.contains("neither the 6 digits"), "{odd}");
    let wrong = generator.wrong(server.clock.now());
    let refused = send(&mut browser, &wrong).await.expect(403).text();
    assert!(
        refused.contains("The code is wrong or was used already."),
        "{refused}"
    );
    let right = generator.code(server.clock.now());
    let answer = send(&mut browser, &right).await.expect(303);
    assert_eq!(answer.header("Location"), Some("/alice"));
    assert!(is_signed_in(&mut browser).await);
    browser
        .get("/api/packages/alice/alpine/key")
        .await
        .expect(200);
    assert!(!browser.cookies.contains_key("tarn-code"));

    // Each code once, in whatever browser.
    let mut other = Browser::new(&server);
    begin(&mut other).await;
    send(&mut other, &right).await.expect(403);
    send(&mut other, recovery[0].expose()).await.expect(303);
    assert!(is_signed_in(&mut other).await);
    let mut third = Browser::new(&server);
    begin(&mut third).await;
    send(&mut third, recovery[0].expose()).await.expect(403);
    // What the first step gave is of no use after ten minutes, nor with another signature.
    server.clock.advance(Duration::from_secs(600));
    let late = send(&mut third, recovery[1].expose())
        .await
        .expect(403)
        .text();
    assert!(late.contains("sign in again"), "{late}");
    assert!(!third.cookies.contains_key("tarn-code"));
    begin(&mut third).await;
    let note = third.cookies.get_mut("tarn-code").unwrap();
    let changed = note.replacen('.', "0.", 1);
    note.clone_from(&changed);
    send(&mut third, recovery[1].expose()).await.expect(403);
    assert!(!is_signed_in(&mut third).await);
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let end = |origin: Option<&str>, site: Option<&str>| {
        let mut request = form("/-/settings/sessions/end-others", &[]);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        if let Some(site) = site {
            request = request.header("Sec-Fetch-Site", site);
        }
        request
    };
    for (origin, site) in [
        (Some("http://evil.test"), None),
        (Some("null"), None),
        (None, Some("cross-site")),
        (None, Some("same-site")),
        // A browser that does not say where the form comes from.
        (None, None),
    ] {
        let refused = browser.send(end(origin, site)).await.expect(403);
        assert_eq!(
            refused.header("X-Tarn-Error"),
            Some("cross_site_request"),
            "{origin:?} {site:?}"
        );
    }
    for (origin, site) in [
        (Some("http://registry.test"), None),
        (None, Some("same-origin")),
    ] {
        browser.send(end(origin, site)).await.expect(303);
    }
    // Nor can another site sign a user in.
    let fields = [("name", "alice"), ("password", &*password("alice"))];
    let request = form("/-/login", &fields).header("Origin", "http://evil.test");
    Browser::new(&server).send(request).await.expect(403);
}

#[tokio::test]
async fn a_return_address_of_another_site_leads_home() {
    let server = TestServer::start().await;
    for to in [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
    ] {
        let mut browser = Browser::new(&server);
        let fields = [
            ("name", "alice"),
            ("password", &*password("alice")),
            ("to", to),
        ];
        let answer = browser.expect("/-/login", &fields, 303).await;
        assert_eq!(answer.header("Location"), Some("/"), "{to}");
    }
}

#[tokio::test]
async fn a_session_ends_unused_after_a_week_and_used_after_a_month() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let mut idle = Browser::signed_in(&server, "alice").await;
    let rest = async || {
        // The use is written down behind the request.
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let sessions = server.registry.access().sessions();
            let user = server
                .registry
                .metadata()
                .user(&name("alice"))
                .await
                .unwrap();
            let list = sessions.list(user.unwrap().id).await.unwrap();
            if list
                .iter()
                .any(|session| session.last_used_at == server.clock.now())
            {
                return;
            }
        }
        panic!("the use was not written down");
    };
    for _ in 0..4 {
        server.clock.advance(6 * DAY);
        assert!(is_signed_in(&mut browser).await);
        rest().await;
    }
    assert!(!is_signed_in(&mut idle).await);
    server.clock.advance(6 * DAY);
    assert!(!is_signed_in(&mut browser).await, "it is 30 days old");
}

#[tokio::test]
async fn sessions_end_with_the_password_and_the_account() {
    let server = TestServer::start().await;
    server.add_user("bob", Visibility::Public).await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let mut bob = Browser::signed_in(&server, "bob").await;
    let new = Secret::new("another password of alice".to_owned());
    let accounts = server.accounts();
    accounts
        .change_password(&name("alice"), &new, &BY)
        .await
        .unwrap();
    assert!(!is_signed_in(&mut browser).await);
    assert!(is_signed_in(&mut bob).await);
    accounts
        .set_disabled(&name("bob"), true, &BY)
        .await
        .unwrap();
    assert!(!is_signed_in(&mut bob).await);
    let fields = [("name", "bob"), ("password", &*password("bob"))];
    let refused = bob.expect("/-/login", &fields, 403).await.text();
    assert!(refused.contains("This account is disabled"), "{refused}");
    accounts
        .set_disabled(&name("bob"), false, &BY)
        .await
        .unwrap();
    assert!(!is_signed_in(&mut bob).await, "it came back");
}

#[tokio::test]
async fn guessing_is_slowed_down_as_everywhere() {
    let server = TestServer::start().await;
    let mut browser = Browser::new(&server);
    let mut last = 0;
    for number in 0..20 {
        let guess = format!("guess number {number}");
        let fields = [("name", "alice"), ("password", guess.as_str())];
        let answer = browser.post("/-/login", &fields).await;
        last = answer.status;
        if last == 429 {
            assert!(answer.header("Retry-After").is_some());
            assert!(answer.text().contains("Too many attempts. Try again in"));
            break;
        }
        assert_eq!(last, 403);
    }
    assert_eq!(last, 429);
    // The same count as for the API.
    let request = crate::client::get("/api/v1/user").basic("alice", "yet another guess");
    server.send(&request).await.expect(429);
}

#[tokio::test]
async fn cookies_under_https_are_of_this_host_only() {
    for (base_url, prefix, path) in [
        ("https://registry.test", "__Host-", "/"),
        ("https://registry.test/tarn", "__Secure-", "/tarn/"),
        ("http://registry.test/tarn", "", "/tarn/"),
    ] {
        let server = TestServer::start_with(|settings| {
            settings.base_url = Some(base_url.to_owned());
        })
        .await;
        let mut browser = Browser::new(&server);
        let fields = [
            ("name", "alice"),
            ("password", &*password("alice")),
            ("to", "/alice"),
        ];
        let answer = browser.expect("/-/login", &fields, 303).await;
        let base = path.trim_end_matches('/');
        assert_eq!(answer.header("Location"), Some(&*format!("{base}/alice")));
        let cookies = set_cookies(&answer);
        let session = cookies
            .iter()
            .find(|cookie| cookie.starts_with(&format!("{prefix}tarn=")));
        let session = session.unwrap_or_else(|| panic!("{cookies:?}"));
        assert!(session.contains(&format!("; Path={path}; ")), "{session}");
        assert_eq!(
            session.ends_with("; Secure"),
            !prefix.is_empty(),
            "{session}"
        );
        browser.get("/-/settings").await.expect(200);
    }
}

#[tokio::test]
async fn who_signed_in_is_in_the_audit_log() {
    let server = TestServer::start().await;
    let mut browser = Browser::new(&server);
    let fields = [("name", "alice"), ("password", "a wrong one")];
    browser.expect("/-/login", &fields, 403).await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    server.registry.refusals().flush().await;
    let page = browser.text("/-/owners/alice/audit").await;
    assert!(page.contains("<code>session.add</code>"), "{page}");
    assert!(page.contains("<code>sign-in</code>"), "{page}");
    assert!(page.contains("Test Browser 1.0"));
}
