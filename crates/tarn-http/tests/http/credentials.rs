//! The forms of credentials, the right ones and the wrong ones.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tarn_base::secret::Secret;
use tarn_store::metadata::{Actor, OwnerKind, Visibility, Window};

use serde_json::json;

use crate::{
    client::{Request, delete, get, head, json, put, request},
    generator::Generator,
    server::{ALICE, HELLO, INDEX, TestServer, expect, hello, name, package, password, refusal},
};

#[tokio::test]
async fn every_form_that_package_clients_use_is_taken() {
    let server = TestServer::start().await;
    server.add_user("bob", Visibility::Public).await;
    let token = server.token("alice", "write:package").await;
    let own = password("alice");
    let lower = |request: Request| request.header("authorization", &format!("bearer {token}"));
    let forms: [(&str, &dyn Fn(Request) -> Request); 10] = [
        ("password", &|request| request.basic("alice", &own)),
        ("name in another case", &|request| {
            request.basic("ALICE", &own)
        }),
        ("name and token", &|request| request.basic("alice", &token)),
        ("any name and token", &|request| {
            request.basic("no such name!", &token)
        }),
        ("another's name and token", &|request| {
            request.basic("bob", &token)
        }),
        ("no name and token", &|request| request.basic("", &token)),
        ("token alone", &|request| request.basic(&token, "")),
        ("token and a word", &|request| {
            request.basic(&token, "x-oauth-basic")
        }),
        ("bearer", &lower),
        ("token", &|request| {
            request.header("Authorization", &format!("token {token}"))
        }),
    ];
    for (number, (form, with)) in forms.iter().enumerate() {
        let package = package(&format!("p{number}"), "x86_64");
        let upload = with(put(format!("{ALICE}/edge/main"), package));
        assert_eq!(server.send(&upload).await.status, 201, "{form}");
        assert_eq!(server.send(&with(get(INDEX))).await.status, 200, "{form}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_401_on_every_route_of_a_public_owner() {
    let server = TestServer::with_hello().await;
    let other_server = TestServer::start().await;
    let foreign = other_server.token("alice", "write:package").await;
    let cut = &foreign[..foreign.len() - 1];
    let forms: [&dyn Fn(Request) -> Request; 8] = [
        &|request| request.basic("alice", &foreign),
        &|request| request.basic(&foreign, ""),
        &|request| request.bearer(&foreign),
        &|request| request.bearer(cut),
        &|request| request.header("Authorization", ""),
        &|request| request.header("Authorization", "Basic"),
        &|request| request.header("Authorization", "Basic YWxpY2U="),
        &|request| request.header("Authorization", "Digest username=alice"),
    ];
    for target in [
        format!("{ALICE}/key"),
        INDEX.to_owned(),
        INDEX.replace("APKINDEX.tar.gz", "Packages.adb"),
        HELLO.to_owned(),
        format!("{ALICE}/edge/main/x86_64/none.apk"),
        format!("{ALICE}/none/main/x86_64/APKINDEX.tar.gz"),
        "/api/packages/nobody/alpine/key".to_owned(),
    ] {
        for with in forms {
            server.send(&with(get(&target))).await.refusal(401, "");
            server.send(&with(head(&target))).await.expect(401);
        }
    }
    for with in forms {
        let upload = with(put(format!("{ALICE}/edge/main"), package("w", "x86_64")));
        server.send(&upload).await.refusal(401, "");
        server.send(&with(delete(HELLO))).await.refusal(401, "");
    }
    server.send(&get(HELLO)).await.expect(200);
    assert_eq!(server.blobs(), 1);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let server = TestServer::start().await;
    let mut texts = Vec::new();
    for user in ["alice", "nobody"] {
        let request = get(format!("{ALICE}/key")).basic(user, "not the password");
        texts.push(server.send(&request).await.refusal(401, "wrong").text());
    }
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn two_authorization_headers_are_not_chosen_from() {
    let server = TestServer::with_hello().await;
    let token = server.token("alice", "write:package").await;
    for request in [
        get(HELLO).bearer(&token).basic("alice", "not the password"),
        get(HELLO).basic("alice", "not the password").bearer(&token),
        get(HELLO).bearer(&token).bearer(&token),
    ] {
        refusal(&server, &request, 401, "more than one Authorization header").await;
    }
}

#[tokio::test]
async fn a_code_beside_a_token_is_not_looked_at() {
    let server = TestServer::with_hello().await;
    let token = server.token("alice", "read:package").await;
    for request in [
        get(HELLO).basic("alice", &token),
        get(HELLO).basic(&token, ""),
        get(HELLO).basic(&token, "x-oauth-basic"),
        get(HELLO).bearer(&token),
    ] {
        let request = request
            .header("X-Gitea-OTP", "no code")
            .header("X-Forgejo-OTP", "123456");
        server.send(&request).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_in_the_query_is_not_accepted() {
    let server = TestServer::start().await;
    server.add_user("paul", Visibility::Private).await;
    let token = server.token("paul", "write:package").await;
    for query in ["token", "access_token", "private_token"] {
        let target = format!("/api/packages/paul/alpine/key?{query}={token}");
        refusal(&server, &get(target), 401, "needs credentials").await;
    }
}

#[tokio::test]
async fn an_expired_token_and_a_disabled_account_are_refused_as_such() {
    let server = TestServer::with_hello().await;
    let token = server
        .token_for("alice", "write:package", Some(Duration::from_secs(90)))
        .await;
    server.send(&get(HELLO).bearer(&token)).await.expect(200);
    server.clock.advance(Duration::from_secs(90));
    refusal(&server, &get(HELLO).bearer(&token), 401, "expired").await;

    let token = server.token("alice", "write:package").await;
    let by_password = get(HELLO).basic("alice", &password("alice"));
    server.send(&by_password).await.expect(200);
    server.send(&get(HELLO).bearer(&token)).await.expect(200);
    server
        .accounts()
        .set_disabled(&name("alice"), true, &Actor::COMMAND_LINE)
        .await
        .unwrap();
    server.send(&by_password).await.refusal(401, "disabled");
    refusal(&server, &get(HELLO).bearer(&token), 401, "disabled").await;
    server.send(&get(HELLO)).await.expect(200);
}

#[tokio::test]
async fn a_changed_password_counts_from_the_next_request_on() {
    let server = TestServer::with_hello().await;
    let before = get(HELLO).basic("alice", &password("alice"));
    server.send(&before).await.expect(200);
    let new = Secret::new("another password".to_owned());
    server
        .accounts()
        .change_password(&name("alice"), &new, &Actor::COMMAND_LINE)
        .await
        .unwrap();
    server.send(&before).await.refusal(401, "wrong");
    let after = get(HELLO).basic("alice", "another password");
    server.send(&after).await.expect(200);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_the_right_password_is_not() {
    let server = TestServer::with_hello().await;
    let right = get(HELLO).basic("alice", &password("alice"));
    server.send(&right).await.expect(200);
    let token = server.token("alice", "read:package").await;
    let mut slowed = None;
    for guess in 0..30 {
        let wrong = get(HELLO).basic("alice", &format!("guess number {guess}"));
        let answer = server.send(&wrong).await;
        if answer.status == 429 {
            slowed = Some((guess, answer));
            break;
        }
        answer.refusal(401, "wrong");
    }
    let (guess, answer) = slowed.unwrap();
    assert_eq!(guess, 10);
    assert!(
        answer
            .header("Retry-After")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    // Who was let in a moment ago, who has a token, and who says nothing.
    server.send(&right).await.expect(200);
    server.send(&get(HELLO).bearer(&token)).await.expect(200);
    expect(&server, &get(HELLO).basic("alice", &token), 200).await;
    server.send(&get(HELLO)).await.expect(200);
    server.clock.advance(Duration::from_secs(20));
    let wrong = get(HELLO).basic("alice", "guess after a while");
    server.send(&wrong).await.refusal(401, "wrong");
}

#[tokio::test]
async fn a_refused_anonymous_upload_stores_nothing() {
    let server = TestServer::start().await;
    let upload = put(format!("{ALICE}/edge/main"), hello());
    server.send(&upload).await.refusal(401, "needs credentials");
    assert_eq!(server.blobs(), 0);
}

#[tokio::test]
async fn the_last_use_of_a_token_is_shown_a_moment_later() {
    let server = TestServer::start().await;
    let token = server.token("alice", "read:package").await;
    let alice = name("alice");
    let last_used = async || {
        let accounts = server.accounts();
        let tokens = accounts.tokens(OwnerKind::User, &alice, Window::ALL).await;
        tokens.unwrap().entries[0].last_used_at
    };
    assert_eq!(last_used().await, None);
    server.send(&get(HELLO).bearer(&token)).await;
    server.registry.access().write_down().await.unwrap();
    let first = last_used().await;
    assert_eq!(first, Some(server.clock.now()));
    server.clock.advance(Duration::from_secs(59));
    server.send(&get(HELLO).bearer(&token)).await;
    server.registry.access().write_down().await.unwrap();
    assert_eq!(last_used().await, first, "once a minute is enough");
    server.clock.advance(Duration::from_secs(1));
    server.send(&get(HELLO).bearer(&token)).await;
    server.registry.access().write_down().await.unwrap();
    assert_eq!(last_used().await, Some(server.clock.now()));
}

#[tokio::test]
async fn no_secret_is_in_the_files_of_the_database() {
    let server = TestServer::with_hello().await;
    server.add_user("bob", Visibility::Public).await;
    let ask = async |asked: Request| {
        let asked = asked.basic("bob", &password("bob"));
        server.send(&asked).await
    };
    let order = json!({ "name": "ci", "scopes": ["write:package"] });
    let token = ask(json("POST", "/api/v1/user/tokens", &order)).await;
    let token = token.expect(201).json()["sha1"].clone();
    let given = "a secret that signs what hooks are told";
    let hook = |secret: Option<&str>| {
        let config = json!({ "url": "https://hooks.example/told", "secret": secret });
        json("POST", "/api/v1/user/hooks", &json!({ "config": config }))
    };
    ask(hook(Some(given))).await.expect(201);
    let made = ask(hook(None)).await.expect(201).json()["secret"].clone();
    let factor = "/api/v1/user/second-factor";
    let begun = ask(request("POST", factor)).await.expect(201).json();
    let uri = begun["otpauth_uri"].as_str().unwrap();
    let generator = Generator::of(uri);
    let code = json!({ "code": generator.code(server.clock.now()) });
    let codes = ask(json("PUT", factor, &code)).await.expect(200).json();
    let codes: Vec<String> = serde_json::from_value(codes["recovery_codes"].clone()).unwrap();
    // One that counted, and one that was wrong.
    let signed_in = get(INDEX).bearer(token.as_str().unwrap());
    server.send(&signed_in).await.expect(200);
    let wrong = get(INDEX).basic("bob", "wrong and never right");
    server.send(&wrong).await.expect(401);
    server.registry.refusals().flush().await;
    server.registry.access().write_down().await.unwrap();
    let metadata = server.registry.metadata();
    let alice = metadata.owner(&name("alice")).await.unwrap().unwrap();
    let key = server
        .registry
        .keys()
        .export(&alice, None, true)
        .await
        .unwrap();
    let private = key.private.unwrap();
    let lines = private.expose().lines();
    let inside: String = lines.filter(|line| !line.starts_with('-')).collect();

    let mut secrets = vec![
        password("bob").into_bytes(),
        b"wrong and never right".to_vec(),
        token.as_str().unwrap().as_bytes().to_vec(),
        given.as_bytes().to_vec(),
        made.as_str().unwrap().as_bytes().to_vec(),
        generator.secret().to_vec(),
        uri.split("secret=").nth(1).unwrap().as_bytes()[..32].to_vec(),
        // Behind the head that says what kind of key it is.
        STANDARD.decode(&inside).unwrap()[64..128].to_vec(),
        inside.as_bytes()[..64].to_vec(),
    ];
    assert_eq!(codes.len(), 10);
    for code in codes {
        secrets.push(code.replace('-', "").into_bytes());
        secrets.push(code.into_bytes());
    }
    let files = server.database_files().await;
    let holds = |wanted: &[u8]| files.windows(wanted.len()).any(|part| part == wanted);
    // What is no secret is found.
    for open in ["bob", "https://hooks.example/told", "hello-1.0-r0.apk"] {
        assert!(holds(open.as_bytes()), "{open}");
    }
    for (number, secret) in secrets.iter().enumerate() {
        assert!(secret.len() >= 10, "{number}");
        assert!(!holds(secret), "{number}: {}", secret.escape_ascii());
    }
}
