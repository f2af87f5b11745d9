//! The metadata on PostgreSQL: what is done by one server shows in what another one answers next.

use tarn_testkit::Postgres;

use crate::harness::{Package, Server, curl_or_leave_out, server::ADMIN};

#[test]
fn the_core_of_it_passes_on_postgresql_too() {
    // Publishing, installing, reading what is private, deleting, rotating keys, and races of all that.
    let chosen = [
        "access::",
        "conditional::",
        "install::",
        "noarch::",
        "races::",
        "removal::",
        "rotation::",
        "uploads::",
    ];
    // The server makes its tables.
    tarn_testkit::suite_on_postgres(&chosen, |_| {});
}

const INDEX: &str = "/v1/main/x86_64/APKINDEX.tar.gz";

#[test]
fn two_servers_on_one_database_show_at_once_what_the_other_has_done() {
    if !curl_or_leave_out() {
        return;
    }
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.create("tarn", None);
    let database = ["--database", &postgres.url("tarn")];
    let one = Server::start_with(&database);
    let key = one.data_folder().join("secret.key");
    let secret = ["--secret-key-file", key.to_str().unwrap()];
    let two = Server::start_with(&[database, secret].concat());
    for number in 0..12 {
        let name = format!("package{number}");
        let (publishes, serves) = match number % 2 {
            0 => (&one, &two),
            _ => (&two, &one),
        };
        publishes.publish("v1/main", &Package::new(&name, "1.0-r0"));
        let listed = serves.index("v1/main").packages();
        assert!(
            listed.iter().any(|package| package.contains(&name)),
            "{listed:?}"
        );
        // The same again by the other one is refused.
        let again = Package::new(&name, "1.0-r0").bytes();
        let call = serves.alpine("admin", "/v1/main").user(ADMIN);
        call.upload_bytes(&again).expect(409);
        let bytes = |server: &Server| server.alpine("admin", INDEX).expect(200).body;
        assert_eq!(bytes(&one), bytes(&two), "index bytes are the same");
    }

    let command = |arguments: &[&str]| one.tarn(&[arguments, &database].concat(), "");
    command(&["user", "visibility", "admin", "private"]);
    for server in [&one, &two] {
        server.alpine("admin", INDEX).expect(401);
    }
    for round in 0..5 {
        let name = format!("ci{round}");
        let token = command(&[
            "token",
            "add",
            "--user",
            "admin",
            "--name",
            &name,
            "--scope",
            "read:package",
        ]);
        let bearer = format!("Authorization: Bearer {}", token.trim());
        for server in [&one, &two, &one, &two] {
            server.alpine("admin", INDEX).header(&bearer).expect(200);
        }
        command(&["token", "revoke", "--user", "admin", "--name", &name]);
        for server in [&two, &one] {
            server.alpine("admin", INDEX).header(&bearer).expect(401);
        }
    }
    let log = format!("{}{}", one.log(), two.log());
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_command_makes_no_registry_in_a_database_that_has_none() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.create("empty", None);
    let server = Server::start();
    let url = postgres.url("empty");
    let output = server.run_tarn(&["user", "list", "--database", &url], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("there is no registry in the database postgres://"),
        "{said}"
    );
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(postgres.sql("empty", tables), "0\n");
}
