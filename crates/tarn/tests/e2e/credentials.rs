//! The ways in which apk and curl say who they are.

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{credentials_of, password_of},
};

/// A server with the private owner `carol`, who has published `secret-1.0-r0`.
fn server_with_private_owner() -> Server {
    let server = Server::start();
    server.add_user("carol", "private");
    let upload = server
        .alpine("carol", "/v1/main")
        .user(&credentials_of("carol"));
    upload
        .upload_bytes(&Package::new("secret", "1.0-r0").bytes())
        .expect(201);
    server
}

#[test]
fn apk_reads_a_private_owner_by_credentials_in_the_address() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = server_with_private_owner();
    let token = server.add_token("carol", "read:package");
    let ways = [
        format!("carol:{}", password_of("carol")),
        format!("CAROL:{}", password_of("carol")),
        format!("carol:{token}"),
        format!("anyone:{token}"),
        format!("{token}:x-oauth-basic"),
        format!("{token}:"),
    ];
    for way in ways {
        let repositories = [server.repository_as(&way, "carol", "v1/main")];
        let apk = Apk::new(&alpine, &repositories);
        let apk = apk.trusting(&server, "carol", &credentials_of("carol"));
        assert_eq!(apk.search(&[]), ["secret-1.0-r0"], "{way}");
        apk.expect(&["add", "secret"]);
        assert_eq!(
            apk.installed("usr/share/tarn/secret").as_deref(),
            Some("1.0-r0")
        );
    }
    assert!(
        !server.log().contains(&token),
        "a token in the log:\n{}",
        server.log()
    );
    let password = password_of("carol");
    assert!(
        !server.log().contains(&password),
        "a password in the log:\n{}",
        server.log()
    );
}

#[test]
fn apk_reads_a_private_owner_by_netrc_and_by_http_auth() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = server_with_private_owner();
    let password = password_of("carol");
    let repositories = [server.repository_of("carol", "v1/main")];

    let nobody = Apk::new(&alpine, &repositories);
    let nobody = nobody.trusting(&server, "carol", &credentials_of("carol"));
    assert!(!nobody.run(&["search"]).output.contains("secret"));
    nobody.expect_failure(&["add", "secret"]);

    let netrc = format!("machine 127.0.0.1 login carol password {password}\n");
    let by_netrc = nobody.netrc(&netrc);
    assert_eq!(by_netrc.search(&[]), ["secret-1.0-r0"]);
    by_netrc.expect(&["add", "secret"]);

    let by_variable = Apk::new(&alpine, &repositories)
        .trusting(&server, "carol", &credentials_of("carol"))
        .env("HTTP_AUTH", &format!("basic:*:carol:{password}"));
    assert_eq!(by_variable.search(&[]), ["secret-1.0-r0"]);
    by_variable.expect(&["add", "secret"]);
}

#[test]
fn a_password_with_special_characters_works_percent_encoded_in_the_address() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = Server::start();
    let arguments = [
        "user",
        "add",
        "dora",
        "--password-stdin",
        "--visibility",
        "private",
    ];
    server.tarn(&arguments, "a:b@c/d%e f+g\u{fc}1\n");
    let plain = "dora:a:b@c/d%e f+g\u{fc}1";
    let upload = server.alpine("dora", "/v1/main").user(plain);
    upload
        .upload_bytes(&Package::new("secret", "1.0-r0").bytes())
        .expect(201);

    let encoded = "dora:a%3Ab%40c%2Fd%25e%20f%2Bg%C3%BC1";
    let repositories = [server.repository_as(encoded, "dora", "v1/main")];
    let apk = Apk::new(&alpine, &repositories).trusting(&server, "dora", plain);
    assert_eq!(apk.search(&[]), ["secret-1.0-r0"]);
    apk.expect(&["add", "secret"]);
}

#[test]
fn every_form_of_credentials_of_the_contract_is_taken_and_a_query_string_is_not() {
    if !curl_or_leave_out() {
        return;
    }
    let server = server_with_private_owner();
    let token = server.add_token("carol", "read:package");
    let index = "/v1/main/x86_64/APKINDEX.tar.gz";
    let headers = [
        format!("Authorization: Bearer {token}"),
        format!("Authorization: token {token}"),
    ];
    for header in headers {
        server.alpine("carol", index).header(&header).expect(200);
    }
    let users = ["{}:", "{}:x-oauth-basic", "carol:{}", "x:{}"];
    for user in users.map(|form| form.replace("{}", &token)) {
        server.alpine("carol", index).user(&user).expect(200);
    }
    for name in ["token", "access_token", "private_token", "api_key"] {
        let path = format!("{index}?{name}={token}");
        server.alpine("carol", &path).expect(401);
    }
    assert!(
        !server.log().contains(&token),
        "a token in the log:\n{}",
        server.log()
    );
}

#[test]
fn wrong_credentials_are_refused_even_where_none_are_needed() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let token = server.add_token("admin", "read:package");
    let paths = [
        "/key",
        "/v1/main/x86_64/APKINDEX.tar.gz",
        "/v1/main/x86_64/hello-1.0-r0.apk",
    ];
    // Few enough that no guess has to wait.
    for (path, user) in
        paths
            .into_iter()
            .zip(["admin:wrong", "nobody:wrong", &format!("x:{token}x")])
    {
        let answer = server.alpine("admin", path).user(user).expect(401);
        assert!(
            answer
                .require("www-authenticate")
                .starts_with("Basic realm=\""),
            "{answer}"
        );
        answer.assert_plain_refusal();
        server.alpine("admin", path).expect(200);
    }
    for value in [
        "Bearer wrong",
        "token wrong",
        "Basic !!!",
        "Basic",
        "Digest x",
        "Bearer",
    ] {
        let header = format!("Authorization: {value}");
        server
            .alpine("admin", "/key")
            .header(&header)
            .expect(401)
            .assert_plain_refusal();
    }
}

#[test]
fn who_guesses_passwords_has_to_wait() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let guess = |number: u32| {
        server
            .alpine("admin", "/key")
            .user(&format!("admin:guess{number}"))
            .run()
    };
    let answers: Vec<_> = (0..30).map(guess).collect();
    let held_up = answers
        .iter()
        .find(|answer| answer.status == 429)
        .expect("a guess that had to wait");
    let seconds: u64 = held_up.require("retry-after").parse().unwrap();
    assert!(seconds > 0, "{held_up}");
    held_up.assert_plain_refusal();
    assert!(
        answers
            .iter()
            .all(|answer| [401, 429].contains(&answer.status))
    );
    // No other caller is held up by it, nor is a token.
    server.alpine("admin", "/key").expect(200);
    let token = server.add_token("admin", "read:package");
    server
        .alpine("admin", "/key")
        .user(&format!("x:{token}"))
        .expect(200);
}
