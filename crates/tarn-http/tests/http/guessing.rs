//! Guessing passwords and codes: who is made to wait, who is not, and what a restart changes.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tarn_base::{random::Random, secret::Secret};
use tarn_core::{
    access::{Accounts, Code, Credentials},
    settings::{ForwardedHeader, Settings},
};
use tarn_store::metadata::{Act, Actor, UserChange, Visibility};

use crate::{
    browser::Browser,
    client::{Answer, Request, get},
    generator::Generator,
    server::{ALICE, TestServer, name, password},
};

const BY: &Actor = &Actor::COMMAND_LINE;

/// The test is a proxy that is believed, so that it can ask from anywhere.
fn behind_a_proxy(settings: &mut Settings) {
    settings.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    settings.access.free_guesses_per_source = 20;
}

/// The same, where a request waits for its turn.
fn with_delays(settings: &mut Settings) {
    behind_a_proxy(settings);
    settings.access.longest_delay = Duration::from_secs(15);
}

fn key() -> Request {
    get(format!("{ALICE}/key"))
}

fn from(source: &str, request: Request) -> Request {
    request.header("X-Forwarded-For", source)
}

/// A request with a password that was not tried before.
fn guess(source: &str, user: &str, number: usize) -> Request {
    from(source, key().basic(user, &format!("guess number {number}")))
}

/// Guesses until 429. How many were looked at.
async fn guess_until_slowed(server: &TestServer, source: &str, user: &str) -> usize {
    let mut number = 0;
    loop {
        let answer = server.send(&guess(source, user, number)).await;
        if answer.status == 429 {
            return number;
        }
        answer.refusal(401, "wrong");
        number += 1;
        assert!(number < 100, "nobody is slowed down");
    }
}

#[tokio::test]
async fn guessing_from_one_source_slows_that_source_down_alone() {
    let server = TestServer::start_with(behind_a_proxy).await;
    assert_eq!(guess_until_slowed(&server, "192.0.2.1", "alice").await, 10);
    let right = key().basic("alice", &password("alice"));
    let answer = server.send(&from("192.0.2.1", right.clone())).await;
    answer.expect(429);
    server.send(&from("192.0.2.2", right)).await.expect(200);
    // Another name is another count, until the source has tried too many altogether.
    assert_eq!(guess_until_slowed(&server, "192.0.2.1", "bob").await, 10);
    let answer = server.send(&guess("192.0.2.1", "carol", 0)).await;
    answer.refusal(429, "use a token");
    let token = server.token("alice", "read:package").await;
    let request = from("192.0.2.1", key().bearer(&token));
    server.send(&request).await.expect(200);
}

#[tokio::test]
async fn a_stale_password_on_one_machine_holds_up_no_other_at_the_same_address() {
    let server = TestServer::start_with(behind_a_proxy).await;
    let right = key().basic("alice", &password("alice"));
    for _ in 0..30 {
        let answer = server.send(&guess("192.0.2.1", "alice", 0)).await;
        answer.refusal(401, "wrong");
        // It comes every few minutes, for weeks.
        server.clock.advance(Duration::from_secs(30 * 60));
    }
    assert_eq!(server.registry.access().password_counts().wrong.value(), 1);
    server.send(&from("192.0.2.1", right)).await.expect(200);
    // From elsewhere it is a guess like any other, and takes as long.
    let answer = server.send(&guess("192.0.2.2", "alice", 0)).await;
    answer.refusal(401, "wrong");
    assert_eq!(server.registry.access().password_counts().wrong.value(), 2);
    // What was wrong is right from the moment on at which it becomes the password.
    let new = Secret::new("guess number 0".to_owned());
    let (alice, accounts) = (name("alice"), server.accounts());
    accounts.change_password(&alice, &new, BY).await.unwrap();
    let answer = server.send(&guess("192.0.2.1", "alice", 0)).await;
    answer.expect(200);
}

#[tokio::test]
async fn a_right_password_behind_wrong_ones_waits_for_its_turn_and_is_taken() {
    let server = TestServer::start_with(with_delays).await;
    let guesses = (0..12).map(|number| guess("192.0.2.1", "alice", number));
    let guesses: Vec<_> = guesses.collect();
    let guessed = futures_util::future::join_all(guesses.iter().map(|guess| server.send(guess)));
    let right = from("192.0.2.1", key().basic("alice", &password("alice")));
    let waited = async {
        // Behind ten that are free, and those that came before it.
        while server.registry.access().password_counts().wrong.value() < 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.send(&right).await.expect(200);
    };
    let (answers, ()) = tokio::join!(guessed, waited);
    assert!(answers.iter().all(|answer| answer.status == 401));
}

#[tokio::test]
async fn as_many_requests_wait_as_may_and_the_next_are_refused() {
    let server = TestServer::start_with(|settings| {
        with_delays(settings);
        settings.access.held_requests = 1;
    })
    .await;
    for number in 0..10 {
        let guess = guess("192.0.2.1", "alice", number);
        server.send(&guess).await.refusal(401, "wrong");
    }
    let guesses: Vec<_> = (10..14)
        .map(|number| guess("192.0.2.1", "alice", number))
        .collect();
    let answers = futures_util::future::join_all(guesses.iter().map(|guess| server.send(guess)));
    let mut statuses: Vec<_> = answers.await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [401, 429, 429, 429]);
}

#[tokio::test]
async fn the_addresses_of_one_ipv6_network_are_one_source() {
    let server = TestServer::start_with(behind_a_proxy).await;
    for number in 0..10 {
        let source = format!("2001:db8:1:2::{number:x}");
        let answer = server.send(&guess(&source, "alice", number)).await;
        answer.refusal(401, "wrong");
    }
    let answer = server
        .send(&guess("2001:db8:1:2:ffff::", "alice", 10))
        .await;
    answer.expect(429);
    let answer = server.send(&guess("2001:db8:1:3::", "alice", 10)).await;
    answer.refusal(401, "wrong");
}

#[tokio::test]
async fn a_source_is_believed_from_a_trusted_proxy_alone() {
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let server = TestServer::start_with(|settings| {
            settings.proxies.trusted = vec!["192.0.2.0/24".parse().unwrap()];
            settings.proxies.header = header;
        })
        .await;
        // The connection is not from there, so whatever the header says it is one source.
        let mut slowed = false;
        for number in 0..11 {
            let request = key().basic("alice", &format!("guess number {number}"));
            let request = request
                .header("X-Forwarded-For", &format!("198.51.100.{number}"))
                .header("Forwarded", &format!("for=198.51.100.{number}"));
            slowed |= server.send(&request).await.status == 429;
        }
        assert!(slowed, "{header:?}");
    }
}

#[tokio::test]
async fn a_restart_does_not_begin_the_count_anew() {
    let server = TestServer::start_with(behind_a_proxy).await;
    guess_until_slowed(&server, "192.0.2.1", "alice").await;
    guess_until_slowed(&server, "192.0.2.1", "nobody").await;
    let server = server.restart().await;
    for user in ["alice", "ALICE", "nobody"] {
        let answer = server.send(&guess("192.0.2.1", user, 77)).await;
        answer.refusal(429, "too many attempts");
    }
    // The source has used up its free ones too, so another name does not help.
    let answer = server.send(&guess("192.0.2.1", "bob", 0)).await;
    answer.expect(429);
    let answer = server.send(&guess("192.0.2.2", "alice", 77)).await;
    answer.refusal(401, "wrong");
    // After an hour of quiet all is forgotten, here and in the database.
    server.clock.advance(Duration::from_secs(3_600));
    assert_eq!(guess_until_slowed(&server, "192.0.2.1", "alice").await, 10);
    let server = server.restart().await;
    let kept = server.registry.metadata();
    let since = tarn_base::clock::Timestamp::from_seconds(0);
    assert_eq!(kept.guesses(since, 1_000).await.unwrap().len(), 2);
}

#[tokio::test]
async fn wrong_passwords_are_recorded_without_being_asked_for() {
    let server = TestServer::start_with(behind_a_proxy).await;
    let answer = server.send(&guess("192.0.2.1", "alice", 0)).await;
    answer.refusal(401, "wrong");
    let since = tarn_base::clock::Timestamp::from_seconds(0);
    let written = async || {
        let counts = server.registry.metadata().guesses(since, 10).await.unwrap();
        counts.len() == 2
    };
    let patience = tokio::time::timeout(Duration::from_secs(60), async {
        while !written().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience.await.unwrap();
}

#[tokio::test]
async fn what_is_written_down_is_bounded() {
    let server = TestServer::start_with(|settings| {
        behind_a_proxy(settings);
        settings.access.written_guesses = 6;
    })
    .await;
    for number in 0..20 {
        server.clock.advance(Duration::from_secs(1));
        let source = format!("192.0.2.{number}");
        let answer = server.send(&guess(&source, "alice", number)).await;
        answer.refusal(401, "wrong");
        server.registry.access().write_down().await.unwrap();
    }
    let since = tarn_base::clock::Timestamp::from_seconds(0);
    let kept = server.registry.metadata().guesses(since, 1_000).await;
    let mut sources: Vec<_> = kept
        .unwrap()
        .into_iter()
        .map(|count| count.source)
        .collect();
    sources.dedup();
    assert_eq!(sources, ["192.0.2.19", "192.0.2.18", "192.0.2.17"]);
}

/// Alice with a second factor, and a second source.
async fn with_second_factor() -> (TestServer, Generator) {
    let server = TestServer::start_with(behind_a_proxy).await;
    let factors = server.registry.administration().second_factors();
    let alice = name("alice");
    let uri = factors.begin(&alice, "Tarn", BY).await.unwrap();
    let generator = Generator::of(uri.expose());
    let code = generator.code(server.clock.now());
    let code = Code::parse(code.as_bytes()).unwrap();
    factors.confirm(&alice, &code, BY).await.unwrap();
    server.clock.advance(Duration::from_secs(60));
    (server, generator)
}

async fn try_code(server: &TestServer, source: &str, code: &str) -> Answer {
    let request = key().basic("alice", &password("alice"));
    let request = from(source, request.header("X-Gitea-OTP", code));
    server.send(&request).await
}

#[tokio::test]
async fn wrong_codes_are_counted_over_all_sources_and_over_restarts() {
    let (server, generator) = with_second_factor().await;
    for number in 0..5 {
        let wrong = generator.wrong(server.clock.now());
        let answer = try_code(&server, &format!("192.0.2.{number}"), &wrong).await;
        answer.refusal(401, "code of the second factor is wrong");
    }
    let right = generator.code(server.clock.now());
    let answer = try_code(&server, "198.51.100.1", &right).await;
    answer.refusal(429, "try again in 1 seconds, or use a token");

    let server = server.restart().await;
    try_code(&server, "198.51.100.1", &right).await.expect(429);
    let token = server.token("alice", "read:package").await;
    let request = from("192.0.2.1", key().bearer(&token));
    server.send(&request).await.expect(200);

    // Each further wrong one doubles the wait.
    for wait in [1, 2, 4, 8] {
        server.clock.advance(Duration::from_secs(wait));
        let wrong = generator.wrong(server.clock.now());
        let answer = try_code(&server, "198.51.100.1", &wrong).await;
        answer.refusal(401, "code of the second factor is wrong");
        let answer = try_code(&server, "198.51.100.2", &wrong).await;
        answer.expect(429);
    }
    // And never grows beyond a quarter of an hour.
    for _ in 0..10 {
        server.clock.advance(Duration::from_secs(15 * 60));
        let wrong = generator.wrong(server.clock.now());
        try_code(&server, "198.51.100.1", &wrong).await.expect(401);
    }
    server.clock.advance(Duration::from_secs(15 * 60));
    let right = generator.code(server.clock.now());
    try_code(&server, "198.51.100.1", &right).await.expect(200);
    // A right code wipes the slate.
    let wrong = generator.wrong(server.clock.now());
    for _ in 0..5 {
        try_code(&server, "198.51.100.1", &wrong).await.expect(401);
    }
}

#[tokio::test]
async fn many_wrong_codes_at_once_get_no_further_than_in_a_row() {
    let (server, generator) = with_second_factor().await;
    let wrong = generator.wrong(server.clock.now());
    // Known as right, so that none of them waits for the password.
    let request = key().basic("alice", &password("alice"));
    server.send(&request).await.expect(401);
    let answers =
        futures_util::future::join_all((0..20).map(|_| try_code(&server, "192.0.2.1", &wrong)));
    let answers = answers.await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401);
    assert_eq!(looked_at.count(), 5);
    assert!(
        answers
            .iter()
            .all(|answer| [401, 429].contains(&answer.status))
    );
}

#[tokio::test]
async fn a_stranger_without_the_password_cannot_make_the_owner_wait_for_a_code() {
    let (server, generator) = with_second_factor().await;
    for number in 0..20 {
        let request = guess("203.0.113.1", "alice", number)
            .header("X-Gitea-OTP", &generator.wrong(server.clock.now()));
        let status = server.send(&request).await.status;
        assert!([401, 429].contains(&status));
    }
    let right = generator.code(server.clock.now());
    try_code(&server, "192.0.2.1", &right).await.expect(200);
}

#[tokio::test]
async fn a_wrong_token_slows_down_no_one() {
    let server = TestServer::start_with(behind_a_proxy).await;
    server.add_user("bob", Visibility::Public).await;
    for number in 0..300 {
        let (unknown, _) = tarn_core::access::tokens::generate(&Random::counted(number)).unwrap();
        let request = from("192.0.2.1", key().bearer(unknown.expose()));
        server.send(&request).await.refusal(401, "wrong");
    }
    let right = key().basic("bob", &password("bob"));
    server.send(&from("192.0.2.1", right)).await.expect(200);
}

#[tokio::test]
async fn a_cut_token_is_reported_wherever_it_stands_and_slows_down_no_one() {
    let server = TestServer::start_with(behind_a_proxy).await;
    let token = server.token("alice", "read:package").await;
    let cut = &token[..token.len() - 1];
    let before = server.registry.access().password_counts().wrong.value();
    for request in [
        key().bearer(cut),
        key().basic("alice", cut),
        key().basic("x", cut),
        key().basic(cut, ""),
        key().basic(cut, "x-oauth-basic"),
    ] {
        for _ in 0..100 {
            let answer = server.send(&from("192.0.2.1", request.clone())).await;
            answer.refusal(401, "cut off or mistyped");
        }
    }
    // None of them was compared with a password.
    let after = server.registry.access().password_counts().wrong.value();
    assert_eq!(after, before);
    let right = key().basic("alice", &password("alice"));
    server.send(&from("192.0.2.1", right)).await.expect(200);
}

#[tokio::test]
async fn who_gives_up_waiting_and_had_the_right_password_is_not_held_up() {
    let server = TestServer::start().await;
    let costly = Accounts::new(server.registry.metadata().clone(), server.clock.clone());
    let right = Secret::new(password("alice"));
    costly
        .change_password(&name("alice"), &right, BY)
        .await
        .unwrap();
    let pair = STANDARD.encode(format!("alice:{}", right.expose()));
    let header = format!("Basic {pair}");
    let credentials = Credentials::parse(Some(header.as_bytes())).unwrap();
    let access = server.registry.access();
    let sign_in = || access.authenticate(&credentials, [192, 0, 2, 1].into());
    let mut cut_off = 0;
    for _ in 0..40 {
        match tokio::time::timeout(Duration::from_millis(1), sign_in()).await {
            Err(_) => cut_off += 1,
            Ok(Err(_)) => {}
            // On a machine that held the test up for so long. From here on it is remembered.
            Ok(Ok(_)) => break,
        }
    }
    assert!(cut_off > 0);
    let patience = tokio::time::timeout(Duration::from_secs(60), async {
        while sign_in().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience.await.unwrap();
}

#[tokio::test]
async fn a_password_that_cannot_be_compared_is_not_a_wrong_one() {
    let server = TestServer::start().await;
    let metadata = server.registry.metadata();
    let alice = metadata.owner(&name("alice")).await.unwrap().unwrap().id;
    let act = Act {
        by: BY,
        at: server.clock.now(),
    };
    metadata
        .change_user(
            alice,
            UserChange {
                password_hash: Some(Some("no hash")),
                ..UserChange::default()
            },
            &act,
        )
        .await
        .unwrap();
    for number in 0..20 {
        let request = guess("192.0.2.1", "alice", number);
        server.send(&request).await.expect(500);
    }
    let fields = [("name", "alice"), ("password", "whatever")];
    let page = Browser::new(&server).post("/-/login", &fields).await;
    page.expect(500);
    assert!(server.refused().await.is_empty());
}
