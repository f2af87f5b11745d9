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
        server.publish_for(name, "v1/main", &Package::new("hello", "1.0-r0"));
    }
    server.add_user("dave", "public");
    server
}

/// An organisation `acme`, private, with `hello-1.0-r0` in `v1/main`, of which erin is a reader.
fn add_acme(server: &Server) {
    server.add_user("erin", "public");
    server.tarn("org add acme --owner admin --visibility private");
    server.tarn("org member acme erin --role read");
    server.publish_for("acme", "v1/main", &Package::new("hello", "1.0-r0"));
}

fn token(server: &Server, arguments: &str) -> String {
    format!(
        "x:{}",
        server.tarn(&format!("token add {arguments}")).trim()
    )
}

#[test]
fn apk_installs_for_those_whom_the_table_lets_read_only() {
    let alpine = found!(alpine_or_leave_out());
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
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.add_user("carol", "private");
    let carol = credentials_of("carol");
    let upload = |owner: &str, name: &str| {
        let package = Package::new(name, "1.0-r0").bytes();
        server.upload(owner, "v1/main", &package).expect(201);
    };
    upload("carol", "before");
    let token = server.add_token("carol", "read:package");
    let way = format!("x:{token}");
    let apk = Apk::new(&alpine, &[server.repository_as(&way, "carol", "v1/main")]);
    let apk = apk.trusting(&server, "carol", &carol);
    apk.expect(&["add", "before"]);
    server.tarn("user rename carol caroline");
    upload("caroline", "after");
    // The key has the name that it had, and the index is where the old address leads to. apk says that it was led there.
    let run = apk.run(&["add", "after"]);
    assert!(run.success, "{}", run.output);
    assert!(run.output.contains("redirected to"), "{}", run.output);
    apk.must_have("usr/share/tarn/after", "1.0-r0");
    let refused = server.upload("carol", "v1/main", &Package::new("late", "1.0-r0").bytes());
    assert!(refused.expect(404).text().contains("caroline"));
}

#[test]
fn a_token_of_an_organisation_publishes_where_its_limits_let_it() {
    found!(curl_or_leave_out());
    let server = Server::start();
    server.tarn("org add acme --owner admin");
    let way = token(
        &server,
        "--org acme --name ci --scope write:package,no-delete --limit acme/edge/*",
    );
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
