//! Who may do what: every kind of caller at every kind of owner.

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{ADMIN, credentials_of},
};

/// The owners a caller meets, each with `hello-1.0-r0` in `v1/main`.
const OWNERS: [(&str, &str); 3] = [
    ("alice", "public"),
    ("bob", "limited"),
    ("carol", "private"),
];

fn server_with_owners() -> Server {
    let server = Server::start();
    for (name, visibility) in OWNERS {
        server.add_user(name, visibility);
        let upload = server.alpine(name, "/v1/main").user(ADMIN);
        upload
            .upload_bytes(&Package::new("hello", "1.0-r0").bytes())
            .expect(201);
    }
    server.add_user("dave", "public");
    server
}

/// Asks for the index and tries an upload and a removal, and compares the statuses.
fn assert_access(server: &Server, owner: &str, who: &str, credentials: &str, expected: [u16; 3]) {
    let read = server
        .alpine(owner, "/v1/main/x86_64/APKINDEX.tar.gz")
        .user(credentials)
        .run();
    let package = Package::new("more", "1.0-r0").bytes();
    let write = server
        .alpine(owner, "/v1/main")
        .user(credentials)
        .upload_bytes(&package)
        .run();
    let path = "/v1/main/x86_64/more-1.0-r0.apk";
    let delete = server
        .alpine(owner, path)
        .user(credentials)
        .method("DELETE")
        .run();
    let answers = [&read, &write, &delete];
    let statuses = answers.map(|answer| answer.status);
    assert_eq!(
        statuses, expected,
        "{who} at {owner}: read, write, delete\n{read}\n{write}\n{delete}"
    );
    for answer in answers {
        if answer.status >= 400 {
            answer.assert_plain_refusal();
        }
        if answer.status == 401 {
            assert!(
                answer
                    .require("www-authenticate")
                    .starts_with("Basic realm=\""),
                "{answer}"
            );
        }
    }
}

#[test]
fn users_see_and_change_what_the_table_of_the_contract_grants() {
    if !curl_or_leave_out() {
        return;
    }
    let server = server_with_owners();
    let dave = credentials_of("dave");
    assert_access(&server, "alice", "anonymous", "", [200, 401, 401]);
    assert_access(&server, "bob", "anonymous", "", [401, 401, 401]);
    assert_access(&server, "carol", "anonymous", "", [401, 401, 401]);
    assert_access(&server, "alice", "another user", &dave, [200, 403, 403]);
    assert_access(&server, "bob", "another user", &dave, [200, 403, 403]);
    for (owner, _) in OWNERS {
        assert_access(
            &server,
            owner,
            "the owner",
            &credentials_of(owner),
            [200, 201, 204],
        );
        assert_access(&server, owner, "the administrator", ADMIN, [200, 201, 204]);
    }
    let hidden = server
        .alpine("carol", "/v1/main/x86_64/APKINDEX.tar.gz")
        .user(&dave)
        .run();
    assert!(
        [403, 404].contains(&hidden.status),
        "another user at a private owner: {hidden}"
    );
    let upload = server.alpine("carol", "/v1/main").user(&dave);
    let hidden = upload
        .upload_bytes(&Package::new("more", "1.0-r0").bytes())
        .run();
    assert!(
        [403, 404].contains(&hidden.status),
        "another user writes to a private owner: {hidden}"
    );
    let key = server.alpine("carol", "/key").expect(401);
    key.assert_plain_refusal();
}

#[test]
fn tokens_do_what_their_scope_says_and_no_more() {
    if !curl_or_leave_out() {
        return;
    }
    let server = server_with_owners();
    for (owner, _) in OWNERS {
        let read = format!("x:{}", server.add_token(owner, "read:package"));
        assert_access(&server, owner, "a token that reads", &read, [200, 401, 401]);
        let write = format!("x:{}", server.add_token(owner, "write:package"));
        assert_access(
            &server,
            owner,
            "a token that writes",
            &write,
            [200, 201, 204],
        );
    }
    // A token is no more than its user.
    let write = format!("x:{}", server.add_token("dave", "write:package"));
    assert_access(
        &server,
        "alice",
        "another user's token",
        &write,
        [200, 403, 403],
    );
}

#[test]
fn members_of_an_organisation_do_what_their_role_grants() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    for name in ["alice", "erin", "frank", "grace", "dave"] {
        server.add_user(name, "public");
    }
    let arguments = [
        "org",
        "add",
        "acme",
        "--owner",
        "alice",
        "--visibility",
        "private",
    ];
    server.tarn(&arguments, "");
    for (user, role) in [("erin", "read"), ("frank", "write"), ("grace", "admin")] {
        server.tarn(&["org", "member", "acme", user, "--role", role], "");
    }
    let upload = server
        .alpine("acme", "/v1/main")
        .user(&credentials_of("alice"));
    upload
        .upload_bytes(&Package::new("hello", "1.0-r0").bytes())
        .expect(201);

    assert_access(&server, "acme", "anonymous", "", [401, 401, 401]);
    assert_access(
        &server,
        "acme",
        "a reader",
        &credentials_of("erin"),
        [200, 403, 403],
    );
    assert_access(
        &server,
        "acme",
        "a writer",
        &credentials_of("frank"),
        [200, 201, 204],
    );
    assert_access(
        &server,
        "acme",
        "an admin of it",
        &credentials_of("grace"),
        [200, 201, 204],
    );
    assert_access(
        &server,
        "acme",
        "its owner",
        &credentials_of("alice"),
        [200, 201, 204],
    );
    assert_access(&server, "acme", "the administrator", ADMIN, [200, 201, 204]);
    let path = "/v1/main/x86_64/APKINDEX.tar.gz";
    let outsider = server
        .alpine("acme", path)
        .user(&credentials_of("dave"))
        .run();
    assert!([403, 404].contains(&outsider.status), "{outsider}");
}

#[test]
fn a_public_only_token_works_on_public_owners_alone() {
    if !curl_or_leave_out() {
        return;
    }
    let server = server_with_owners();
    let index = "/v1/main/x86_64/APKINDEX.tar.gz";
    for (owner, visibility) in OWNERS {
        let token = server.add_token(owner, "read:package,public-only");
        let answer = server
            .alpine(owner, index)
            .user(&format!("x:{token}"))
            .run();
        let expected = if visibility == "public" { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{answer}");
        if expected == 403 {
            answer.assert_plain_refusal();
        }
    }
}

/// An organisation `acme`, private, with `hello-1.0-r0` in `v1/main`, of which erin is a reader.
fn add_acme(server: &Server) {
    server.add_user("erin", "public");
    let add = "org add acme --owner admin --visibility private";
    server.tarn(&add.split(' ').collect::<Vec<_>>(), "");
    server.tarn(&["org", "member", "acme", "erin", "--role", "read"], "");
    let upload = server.alpine("acme", "/v1/main").user(ADMIN);
    upload
        .upload_bytes(&Package::new("hello", "1.0-r0").bytes())
        .expect(201);
}

fn token(server: &Server, arguments: &str) -> String {
    let arguments = format!("token add {arguments}");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    format!("x:{}", server.tarn(&arguments, "").trim())
}

#[test]
fn apk_installs_for_those_whom_the_table_lets_read_only() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = server_with_owners();
    add_acme(&server);
    let user = |user: &str, arguments: &str| {
        token(
            &server,
            &format!("--user {user} --name {} {arguments}", arguments.len()),
        )
    };
    let acme = token(&server, "--org acme --name ci --scope write:package");
    let public_only = user("carol", "--scope read:package --scope public-only");
    let limited = user("dave", "--scope read:package --limit bob/v1/*");
    let elsewhere = user("dave", "--scope read:package --network 192.0.2.0/24");
    let admin = user("dave", "--scope admin");
    for (owner, who, credentials, reads) in [
        ("alice", "nobody", "", true),
        ("alice", "another user", &*credentials_of("dave"), true),
        ("alice", "a wrong password", "dave:wrong", false),
        ("alice", "a token of an organisation", &*acme, true),
        ("alice", "a token for public owners", &*public_only, true),
        ("alice", "a token for another owner", &*limited, false),
        ("alice", "a token for other networks", &*elsewhere, false),
        ("alice", "a token that only administers", &*admin, false),
        ("bob", "nobody", "", false),
        ("bob", "another user", &*credentials_of("dave"), true),
        ("bob", "a token of an organisation", &*acme, false),
        ("bob", "a token for this place", &*limited, true),
        ("carol", "nobody", "", false),
        ("carol", "another user", &*credentials_of("dave"), false),
        ("carol", "the owner", &*credentials_of("carol"), true),
        ("carol", "the administrator", ADMIN, true),
        ("carol", "a token for public owners", &*public_only, false),
        ("acme", "nobody", "", false),
        ("acme", "a reader of it", &*credentials_of("erin"), true),
        ("acme", "another user", &*credentials_of("dave"), false),
        ("acme", "its own token", &*acme, true),
    ] {
        let repository = match credentials {
            "" => server.repository_of(owner, "v1/main"),
            credentials => server.repository_as(credentials, owner, "v1/main"),
        };
        let apk = Apk::new(&alpine, &[repository]).trusting(&server, owner, ADMIN);
        let run = apk.run(&["add", "hello"]);
        let installed = apk.installed("usr/share/tarn/hello");
        assert_eq!(run.success, reads, "{who} at {owner}: {}", run.output);
        let expected = reads.then_some("1.0-r0");
        assert_eq!(installed.as_deref(), expected, "{who} at {owner}");
    }
}

#[test]
fn apk_goes_on_under_a_former_name() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = Server::start();
    server.add_user("carol", "private");
    let carol = credentials_of("carol");
    let upload = |owner: &str, name: &str| {
        let package = Package::new(name, "1.0-r0").bytes();
        let call = server.alpine(owner, "/v1/main").user(ADMIN);
        call.upload_bytes(&package).expect(201);
    };
    upload("carol", "before");
    let token = server.add_token("carol", "read:package");
    let way = format!("x:{token}");
    let apk = Apk::new(&alpine, &[server.repository_as(&way, "carol", "v1/main")]);
    let apk = apk.trusting(&server, "carol", &carol);
    apk.expect(&["add", "before"]);
    server.tarn(&["user", "rename", "carol", "caroline"], "");
    upload("caroline", "after");
    // The key has the name that it had, and the index is where the old address leads to. apk says that it was led there.
    let run = apk.run(&["add", "after"]);
    assert!(run.success, "{}", run.output);
    assert!(run.output.contains("redirected to"), "{}", run.output);
    assert_eq!(
        apk.installed("usr/share/tarn/after").as_deref(),
        Some("1.0-r0")
    );
    let refused = server.alpine("carol", "/v1/main").user(ADMIN);
    let refused = refused.upload_bytes(&Package::new("late", "1.0-r0").bytes());
    assert!(refused.expect(404).text().contains("caroline"));
}

#[test]
fn a_token_of_an_organisation_publishes_where_its_limits_let_it() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.tarn(&["org", "add", "acme", "--owner", "admin"], "");
    let add = "token add --org acme --name ci --scope write:package,no-delete --limit acme/edge/*";
    let arguments: Vec<&str> = add.split(' ').collect();
    let way = format!("ci:{}", server.tarn(&arguments, "").trim());
    let package = Package::new("hello", "1.0-r0").bytes();
    let upload = |path: &str| {
        let call = server.alpine("acme", path).user(&way);
        call.upload_bytes(&package).run().status
    };
    assert_eq!(upload("/edge/testing"), 201);
    assert_eq!(upload("/v3.23/main"), 403);
    let file = server.alpine("acme", "/edge/testing/x86_64/hello-1.0-r0.apk");
    let removal = file.user(&way).method("DELETE").expect(401);
    assert!(removal.text().contains("delete:package"), "{removal}");
}
