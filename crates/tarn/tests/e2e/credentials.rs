//! The ways in which apk and curl say who they are.

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out,
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
    let alpine = found!(alpine_or_leave_out());
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
        apk.must_have("usr/share/tarn/secret", "1.0-r0");
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
    let alpine = found!(alpine_or_leave_out());
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
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let add = "user add dora --password-stdin --visibility private";
    server.tarn_with(add, "a:b@c/d%e f+g\u{fc}1\n");
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
