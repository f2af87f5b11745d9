//! Accounts with a code beside the password, and accounts without a password.

use std::time::Duration;

use tarn_base::secret::Secret;
use tarn_core::access::{Code, FactorError, FactorState, Proof, SecondFactors};
use tarn_store::metadata::{Actor, Visibility};

use crate::{
    client::{Answer, Request, delete, get, head, put},
    generator::Generator,
    server::{ALICE, HELLO, INDEX, TestServer, hello, name, package, password},
};

const BY: &Actor = &Actor::COMMAND_LINE;
const STEP: Duration = Duration::from_secs(30);
const NEEDED: &str =
    "send its code beside the password in the header X-Gitea-OTP or X-Forgejo-OTP, or use a token";
const WRONG: &str = "wrong or was used already";

/// A server with [`hello`], whose `alice` has a second factor.
struct World {
    server: TestServer,
    generator: Generator,
    recovery: Vec<Secret>,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::with_hello().await;
        let (generator, recovery) = enrol(&server).await;
        // The code that confirmed it is used up.
        server.clock.advance(2 * STEP);
        Self {
            server,
            generator,
            recovery,
        }
    }

    fn factors(&self) -> &SecondFactors {
        factors(&self.server)
    }

    /// What the generator shows now.
    fn code(&self) -> String {
        self.generator.code(self.server.clock.now())
    }

    fn wrong_code(&self) -> String {
        self.generator.wrong(self.server.clock.now())
    }

    /// Sends `request` with alice's password and that code.
    async fn send(&self, request: Request, code: &str) -> Answer {
        self.server.send(&with_code(request, code)).await
    }
}

fn factors(server: &TestServer) -> &SecondFactors {
    server.registry.administration().second_factors()
}

pub(crate) async fn enrol(server: &TestServer) -> (Generator, Vec<Secret>) {
    let uri = factors(server)
        .begin(&name("alice"), "Tarn", BY)
        .await
        .unwrap();
    let generator = Generator::of(uri.expose());
    let code = generator.code(server.clock.now());
    let recovery = factors(server)
        .confirm(&name("alice"), &parsed(&code), BY)
        .await
        .unwrap();
    (generator, recovery)
}

fn parsed(code: &str) -> Code {
    Code::parse(code.as_bytes()).unwrap()
}

fn by_password(request: Request) -> Request {
    request.basic("alice", &password("alice"))
}

fn with_code(request: Request, code: &str) -> Request {
    by_password(request).header("X-Gitea-OTP", code)
}

#[tokio::test]
async fn a_factor_is_in_force_once_a_code_confirms_it() {
    let server = TestServer::with_hello().await;
    let alice = name("alice");
    let state = async || factors(&server).state(&alice).await.unwrap();
    assert_eq!(state().await, FactorState::Off);
    let any = parsed("123456");
    let refused = factors(&server).confirm(&alice, &any, BY).await;
    assert!(matches!(refused, Err(FactorError::NotBegun(_))));

    let first = factors(&server).begin(&alice, "Tarn", BY).await.unwrap();
    let uri = factors(&server).begin(&alice, "Tarn", BY).await.unwrap();
    assert_ne!(first.expose(), uri.expose());
    assert_eq!(state().await, FactorState::Begun);
    server.send(&by_password(get(HELLO))).await.expect(200);

    let now = server.clock.now();
    let generator = Generator::of(uri.expose());
    for wrong in [
        Generator::of(first.expose()).code(now),
        generator.wrong(now),
        "abcd-efgh-jkmn-pq23".to_owned(),
    ] {
        let refused = factors(&server).confirm(&alice, &parsed(&wrong), BY).await;
        assert!(matches!(refused, Err(FactorError::WrongCode)), "{wrong}");
    }
    assert_eq!(state().await, FactorState::Begun);
    let code = parsed(&generator.code(now));
    let recovery = factors(&server).confirm(&alice, &code, BY).await.unwrap();
    let on = FactorState::On {
        since: now,
        recovery_codes_left: 10,
    };
    assert_eq!(recovery.len(), 10);
    assert_eq!(state().await, on);
    let again = factors(&server).begin(&alice, "Tarn", BY).await;
    assert!(matches!(again, Err(FactorError::AlreadyOn(_))));
    let again = factors(&server).confirm(&alice, &code, BY).await;
    assert!(matches!(again, Err(FactorError::AlreadyOn(_))));
    // Neither has changed anything.
    assert_eq!(state().await, on);
}

#[tokio::test]
async fn many_wrong_codes_at_once_confirm_no_sooner_than_in_a_row() {
    let server = TestServer::start().await;
    let alice = name("alice");
    let uri = factors(&server).begin(&alice, "Tarn", BY).await.unwrap();
    let wrong = parsed(&Generator::of(uri.expose()).wrong(server.clock.now()));
    let tries = (0..20).map(|_| factors(&server).confirm(&alice, &wrong, BY));
    let answers = futures_util::future::join_all(tries).await;
    let compared = answers
        .iter()
        .filter(|answer| matches!(answer, Err(FactorError::WrongCode)));
    assert_eq!(compared.count(), 5);
    let waits = answers
        .iter()
        .filter(|answer| matches!(answer, Err(FactorError::TooManyCodes { .. })));
    assert_eq!(waits.count(), 15);
}

#[tokio::test]
async fn a_password_alone_is_401_on_every_route() {
    let server = TestServer::with_hello().await;
    // Remembered as right from before.
    server.send(&by_password(get(HELLO))).await.expect(200);
    enrol(&server).await;
    for target in [
        format!("{ALICE}/key"),
        INDEX.to_owned(),
        INDEX.replace("APKINDEX.tar.gz", "Packages.adb"),
        HELLO.to_owned(),
        "/api/packages/nobody/alpine/key".to_owned(),
    ] {
        let answer = server.send(&by_password(get(&target))).await;
        answer.refusal(401, NEEDED);
        server.send(&by_password(head(&target))).await.expect(401);
    }
    let upload = put(format!("{ALICE}/edge/main"), package("new", "x86_64"));
    let answer = server.send(&by_password(upload)).await;
    answer.refusal(401, NEEDED);
    let answer = server.send(&by_password(delete(HELLO))).await;
    answer.refusal(401, NEEDED);
    server.send(&get(HELLO)).await.expect(200);
    assert_eq!(server.blobs(), 1);
}

#[tokio::test]
async fn the_code_is_taken_in_either_header_and_once() {
    let world = World::new().await;
    for (number, names) in [
        &["X-Gitea-OTP"][..],
        &["X-Forgejo-OTP"],
        &["x-gitea-otp", "X-FORGEJO-OTP"],
    ]
    .iter()
    .enumerate()
    {
        let code = world.code();
        let package = package(&format!("p{number}"), "x86_64");
        let upload = by_password(put(format!("{ALICE}/edge/main"), package));
        let upload = names
            .iter()
            .fold(upload, |request, name| request.header(name, &code));
        world.server.send(&upload).await.expect(201);
        // The password is remembered now; the code is not.
        for name in ["X-Gitea-OTP", "X-Forgejo-OTP"] {
            let again = by_password(get(HELLO)).header(name, &code);
            world.server.send(&again).await.refusal(401, WRONG);
        }
        let alone = by_password(get(HELLO));
        world.server.send(&alone).await.refusal(401, NEEDED);
        world.server.clock.advance(STEP);
    }
    assert_eq!(world.server.blobs(), 4);
}

#[tokio::test]
async fn a_code_that_was_used_is_not_taken_after_a_restart() {
    let world = World::new().await;
    let (code, recovery) = (world.code(), world.recovery[0].expose().to_owned());
    for code in [&code, &recovery] {
        world.send(get(HELLO), code).await.expect(200);
    }
    let world = World {
        server: world.server.restart().await,
        ..world
    };
    for code in [&code, &recovery] {
        world.send(get(HELLO), code).await.refusal(401, WRONG);
    }
    // The next ones are.
    world.server.clock.advance(STEP);
    let unused = world.recovery[1].expose();
    for code in [&*world.code(), unused] {
        world.send(get(HELLO), code).await.expect(200);
    }
}

#[tokio::test]
async fn a_code_of_a_step_before_is_taken_unless_a_newer_one_was() {
    let world = World::new().await;
    let (older, newer) = (world.code(), {
        world.server.clock.advance(STEP);
        world.code()
    });
    world.send(get(HELLO), &older).await.expect(200);
    world.send(get(HELLO), &newer).await.expect(200);
    let late = {
        world.server.clock.advance(STEP);
        world.code()
    };
    world.server.clock.advance(STEP);
    world.send(get(HELLO), &world.code()).await.expect(200);
    world.send(get(HELLO), &late).await.refusal(401, WRONG);
    let too_old = world.code();
    world.server.clock.advance(3 * STEP);
    world.send(get(HELLO), &too_old).await.refusal(401, WRONG);
}

#[tokio::test]
async fn of_two_requests_at_once_with_one_code_one_passes() {
    let world = World::new().await;
    for _ in 0..8 {
        let request = with_code(get(HELLO), &world.code());
        let answers = futures_util::future::join_all(
            (0..6).map(|_| async { world.server.send(&request).await.status }),
        );
        let mut answers = answers.await;
        answers.sort_unstable();
        // The others count as wrong, so the last of them may get 429.
        assert_eq!(answers[0], 200, "{answers:?}");
        assert!(
            answers[1..]
                .iter()
                .all(|status| [401, 429].contains(status)),
            "{answers:?}"
        );
        world.server.clock.advance(4 * STEP);
    }
}

#[tokio::test]
async fn two_codes_that_differ_are_not_chosen_from() {
    let world = World::new().await;
    let (right, wrong) = (world.code(), world.wrong_code());
    for (gitea, forgejo) in [(&right, &wrong), (&wrong, &right)] {
        let request = by_password(get(HELLO))
            .header("X-Gitea-OTP", gitea)
            .header("X-Forgejo-OTP", forgejo);
        let answer = world.server.send(&request).await;
        answer.refusal(401, "different codes");
    }
    let answer = world.send(get(HELLO), "12345").await;
    answer.refusal(401, "neither the 6 digits");
    // An empty header is none.
    world.send(get(HELLO), "").await.refusal(401, NEEDED);
    world.send(get(HELLO), &right).await.expect(200);
}

#[tokio::test]
async fn a_recovery_code_is_taken_once_and_until_there_are_new_ones() {
    let world = World::new().await;
    let alice = name("alice");
    let left = async || match world.factors().state(&alice).await.unwrap() {
        FactorState::On {
            recovery_codes_left,
            ..
        } => recovery_codes_left,
        other => panic!("{other:?}"),
    };
    let first = world.recovery[0].expose();
    world.send(get(HELLO), first).await.expect(200);
    world.send(get(HELLO), first).await.refusal(401, WRONG);
    assert_eq!(left().await, 9);
    let upper = world.recovery[1].expose().to_uppercase().replace('-', " ");
    world.send(get(HELLO), &upper).await.expect(200);
    assert_eq!(left().await, 8);

    let proof = parsed(world.recovery[2].expose());
    let new = world
        .factors()
        .renew_recovery_codes(&alice, Proof::Code(&proof), BY)
        .await
        .unwrap();
    assert_eq!(left().await, 10);
    let old = world.recovery[3].expose();
    world.send(get(HELLO), old).await.refusal(401, WRONG);
    world.send(get(HELLO), new[0].expose()).await.expect(200);
    let again = Proof::Code(&proof);
    let refused = world
        .factors()
        .renew_recovery_codes(&alice, again, BY)
        .await;
    assert!(matches!(refused, Err(FactorError::WrongCode)));
    assert_eq!(left().await, 9);
}

#[tokio::test]
async fn another_users_recovery_code_is_wrong() {
    let world = World::new().await;
    world.server.add_user("bob", Visibility::Public).await;
    let bob = name("bob");
    let uri = world.factors().begin(&bob, "Tarn", BY).await.unwrap();
    let code = Generator::of(uri.expose()).code(world.server.clock.now());
    let of_bob = world.factors().confirm(&bob, &parsed(&code), BY).await;
    let of_bob = of_bob.unwrap();
    let answer = world.send(get(HELLO), of_bob[0].expose()).await;
    answer.refusal(401, WRONG);
}

#[tokio::test]
async fn tokens_need_no_code_and_mind_none() {
    let world = World::new().await;
    let token = world.server.token("alice", "write:package").await;
    for request in [
        get(HELLO).bearer(&token),
        get(HELLO).basic("alice", &token),
        get(HELLO).basic(&token, ""),
        get(HELLO).bearer(&token).header("X-Gitea-OTP", "garbage"),
        get(HELLO)
            .bearer(&token)
            .header("X-Gitea-OTP", &world.wrong_code()),
    ] {
        world.server.send(&request).await.expect(200);
    }
    let upload = put(format!("{ALICE}/edge/main"), package("ci", "x86_64"));
    world.server.send(&upload.bearer(&token)).await.expect(201);
}

#[tokio::test]
async fn nothing_is_said_of_the_code_without_the_right_password() {
    let world = World::new().await;
    world.server.add_user("bob", Visibility::Public).await;
    let guess = |user: &str| get(HELLO).basic(user, "not the password");
    let mut texts = Vec::new();
    for request in [
        guess("alice"),
        guess("alice").header("X-Gitea-OTP", &world.code()),
        guess("alice").header("X-Gitea-OTP", &world.wrong_code()),
        // No second factor; no such account.
        guess("bob").header("X-Gitea-OTP", &world.code()),
        guess("nobody").header("X-Gitea-OTP", &world.code()),
    ] {
        let answer = world.server.send(&request).await;
        texts.push(answer.refusal(401, "password").text());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    // Nor was the code used up.
    world.send(get(HELLO), &world.code()).await.expect(200);
}

#[tokio::test]
async fn turning_it_off_takes_a_code_or_an_administrator() {
    let world = World::new().await;
    let alice = name("alice");
    let version = async || {
        let user = world.server.registry.metadata().user(&alice).await;
        user.unwrap().unwrap().credential_version
    };
    let before = version().await;
    let wrong = parsed(&world.wrong_code());
    let refused = world.factors().disable(&alice, Proof::Code(&wrong), BY);
    assert!(matches!(refused.await, Err(FactorError::WrongCode)));
    assert_eq!(version().await, before);
    let answer = world.server.send(&by_password(get(HELLO))).await;
    answer.refusal(401, NEEDED);

    let right = parsed(&world.code());
    let disable = world.factors().disable(&alice, Proof::Code(&right), BY);
    disable.await.unwrap();
    assert!(version().await > before);
    world
        .server
        .send(&by_password(get(HELLO)))
        .await
        .expect(200);
    let again = world.factors().disable(&alice, Proof::Administrator, BY);
    assert!(matches!(again.await, Err(FactorError::Off(_))));

    // A new one: the codes of the old one are worth nothing.
    let (generator, _) = enrol(&world.server).await;
    world.server.clock.advance(2 * STEP);
    let old = world.recovery[0].expose();
    world.send(get(HELLO), old).await.refusal(401, WRONG);
    let old = world.code();
    world.send(get(HELLO), &old).await.refusal(401, WRONG);
    let new = generator.code(world.server.clock.now());
    world.send(get(HELLO), &new).await.expect(200);
    let disable = world.factors().disable(&alice, Proof::Administrator, BY);
    disable.await.unwrap();
    world
        .server
        .send(&by_password(get(HELLO)))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_disabled_account_is_refused_as_such_and_its_code_is_not_used() {
    let world = World::new().await;
    let alice = name("alice");
    let accounts = world.server.accounts();
    accounts.set_disabled(&alice, true, BY).await.unwrap();
    let code = world.code();
    world.send(get(HELLO), &code).await.refusal(401, "disabled");
    accounts.set_disabled(&alice, false, BY).await.unwrap();
    world.send(get(HELLO), &code).await.expect(200);
}

#[tokio::test]
async fn an_account_without_a_password_looks_like_a_wrong_password() {
    let server = TestServer::with_hello().await;
    server
        .accounts()
        .add_user(&name("oidc"), None, false, Visibility::Private, BY)
        .await
        .unwrap();
    let mut texts = Vec::new();
    for user in ["oidc", "alice", "nobody"] {
        for tried in ["", "not the password"] {
            let request = get(HELLO).basic(user, tried);
            let answer = server.send(&request).await;
            texts.push(answer.refusal(401, "use a token").text());
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    let token = server.token("oidc", "write:package").await;
    let upload = put("/api/packages/oidc/alpine/edge/main", hello());
    server.send(&upload.bearer(&token)).await.expect(201);
}

#[tokio::test]
async fn a_factor_whose_secret_does_not_open_takes_recovery_codes_only() {
    let world = World::new().await;
    let recovery = world.recovery[0].expose().to_owned();
    let code = world.code();
    let other_key = Secret::new("A".repeat(43) + "=");
    let mut settings = world.server.registry.settings().clone();
    settings.sealing_key = Some(other_key.clone());
    tarn_core::Administration::replace_sealing_key(&settings, &world.server.clock, BY)
        .await
        .unwrap();
    let server = world
        .server
        .restart_with(|settings| settings.sealing_key = Some(other_key))
        .await;
    let answer = server.send(&with_code(get(HELLO), &code)).await;
    answer.refusal(500, "internal error");
    let answer = server.send(&by_password(get(HELLO))).await;
    answer.refusal(401, NEEDED);
    let request = with_code(get(format!("{ALICE}/edge/main/x86_64/none.apk")), &recovery);
    server.send(&request).await.refusal(404, "no such package");
}
