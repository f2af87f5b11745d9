//! A code beside the password, guessing, and the source of a request, with the real `curl`.

use std::time::{SystemTime, UNIX_EPOCH};

use sha1::{Digest as _, Sha1};
use tarn_base::{
    clock::{Clock, Timestamp},
    names::OwnerName,
    secret::Secret,
};
use tarn_core::{Administration, access::Code, settings::Settings};
use tarn_store::metadata::{Actor, Metadata};

use crate::harness::{
    Package, Server, curl_or_leave_out,
    server::{credentials_of, password_of},
};

const BY: &Actor = &Actor::COMMAND_LINE;

/// HMAC (RFC 2104) with SHA-1, whose blocks have 64 bytes.
fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(message);
    let outer = Sha1::new().chain_update(pad(0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

/// What a code generator that has read `uri` shows, `steps` after now (RFC 6238).
pub(crate) fn code(uri: &str, steps: u64) -> String {
    let secret = uri
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("secret="));
    let mut bits = String::new();
    for letter in secret.unwrap().bytes() {
        let value = if letter.is_ascii_digit() {
            letter - b'2' + 26
        } else {
            letter - b'A'
        };
        bits.push_str(&format!("{value:05b}"));
    }
    let byte = |bits: &[u8]| u8::from_str_radix(str::from_utf8(bits).unwrap(), 2).unwrap();
    let key: Vec<u8> = bits.as_bytes().chunks_exact(8).map(byte).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let tag = hmac_sha1(&key, &(now.as_secs() / 30 + steps).to_be_bytes());
    let at = usize::from(tag.last().unwrap() & 15);
    let four = tag.get(at..at + 4).unwrap();
    let number = u32::from_be_bytes(four.try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Turns alice's second factor on, beside the running server. Gives the address of the secret, and the recovery codes.
fn enrol(server: &Server) -> (String, Vec<Secret>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = Settings::in_folder(server.data_folder().to_owned());
        let registry = Administration::open(&settings, &Clock::system())
            .await
            .unwrap();
        let alice = OwnerName::parse("alice").unwrap();
        let factors = registry.second_factors();
        let uri = factors.begin(&alice, "Tarn", BY).await.unwrap();
        let first = Code::parse(code(uri.expose(), 0).as_bytes()).unwrap();
        let recovery = factors.confirm(&alice, &first, BY).await.unwrap();
        registry.metadata().close().await;
        (uri.expose().to_owned(), recovery)
    })
}

#[test]
fn with_a_second_factor_curl_needs_the_code_or_a_token() {
    found!(curl_or_leave_out());
    let server = Server::start();
    server.add_user("alice", "private");
    let alice = credentials_of("alice");
    let publish = |name: &str| {
        let upload = server.alpine("alice", "/edge/main");
        (upload, Package::new(name, "1.0-r0").bytes())
    };
    let (upload, package) = publish("before");
    upload.user(&alice).upload_bytes(&package).expect(201);

    let (uri, recovery) = enrol(&server);
    let said = server.tarn("user factor alice --json");
    assert!(said.contains(r#""second_factor": "on""#), "{said}");
    assert!(said.contains(r#""recovery_codes_left": 10"#), "{said}");

    let index = "/edge/main/x86_64/APKINDEX.tar.gz";
    let refused = server.alpine("alice", index).user(&alice).expect(401);
    assert!(String::from_utf8_lossy(&refused.body).contains("X-Gitea-OTP"));
    let (upload, package) = publish("without");
    upload.user(&alice).upload_bytes(&package).expect(401);

    // The code after the one that confirmed it, which a clock that is a little fast shows already.
    let next = format!("X-Forgejo-OTP: {}", code(&uri, 1));
    let (upload, package) = publish("with");
    let upload = upload.user(&alice).header(&next);
    upload.upload_bytes(&package).expect(201);
    let again = server.alpine("alice", index).user(&alice).header(&next);
    let refused = again.expect(401);
    assert!(String::from_utf8_lossy(&refused.body).contains("used already"));
    let by_recovery = format!("X-Gitea-OTP: {}", recovery[0].expose());
    let request = server.alpine("alice", index).user(&alice);
    request.header(&by_recovery).expect(200);

    let token = server.add_token("alice", "read:package");
    let request = server.alpine("alice", index);
    request.user(&format!("alice:{token}")).expect(200);

    server.tarn("user factor alice --disable");
    server.alpine("alice", index).user(&alice).expect(200);
    for secret in [recovery[0].expose(), &password_of("alice"), &token] {
        assert!(!server.log().contains(secret), "a secret in the log");
    }
}

#[test]
fn wrong_passwords_are_counted_for_the_source_that_a_proxy_tells_and_kept_when_the_server_stops() {
    found!(curl_or_leave_out());
    let server = Server::start_with("--trusted-proxies 127.0.0.1/32");
    let data = server.data_folder().to_owned();
    for guess in ["guess-1", "guess-2", "guess-3"] {
        let request = server.alpine("admin", "/key");
        let request = request.user(&format!("admin:{guess}"));
        let request = request.header("X-Forwarded-For: 127.0.0.1, 192.0.2.7");
        request.expect(401);
    }
    let stopped = server.stop();
    assert!(stopped.log.contains("source=192.0.2.7"), "{}", stopped.log);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let counts = runtime.block_on(async {
        let settings = Settings::in_folder(data);
        let metadata = Metadata::open(&settings.database).await.unwrap();
        let since = Timestamp::from_seconds(0);
        let counts = metadata.guesses(since, 10).await.unwrap();
        metadata.close().await;
        counts
    });
    // One for the account, one for the source.
    let shown: Vec<_> = counts
        .iter()
        .map(|each| (each.source.as_str(), each.count))
        .collect();
    assert_eq!(shown, [("192.0.2.7", 3); 2]);
    drop(stopped);
}
