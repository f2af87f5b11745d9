//! The metadata on PostgreSQL. What several servers on one database do is in `two_nodes.rs`.

use tarn_testkit::{Postgres, must_say};

use crate::harness::{Server, curl_or_leave_out};

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
    tarn_testkit::run_on_postgres(&chosen, |_| {});
}

#[test]
fn a_command_makes_no_registry_in_a_database_that_has_none() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.create("empty", None);
    let server = Server::start();
    let url = postgres.url("empty");
    let output = server.run_tarn(&format!("user list --database {url}"), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    must_say(&said, "there is no registry in the database postgres://");
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(postgres.sql("empty", tables), "0\n");
}

#[test]
fn a_database_that_is_away_is_not_called_busy() {
    found!(curl_or_leave_out());
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.create("tarn", None);
    let server = Server::start_with(&["--database", &postgres.url("tarn")]);
    postgres.stop();
    for path in ["/healthz", "/api/v1/owners/admin"] {
        let answer = server.curl(path).expect(503);
        assert_eq!(answer.require("x-tarn-error"), "database_unreachable");
        assert_eq!(answer.require("retry-after"), "5");
    }
    // The log says once which one it is. While the database stopped, a connection may have been refused and another one answered.
    let log = server.log();
    let times = |text| log.matches(text).count();
    assert_eq!(
        times("ERROR") - times("the database can be reached again"),
        1,
        "{log}"
    );
    let line = log.lines().find(|line| line.contains("ERROR")).unwrap();
    assert!(line.contains("the database can't be reached"), "{line}");
    must_say(line, "postgres://");
    must_say(line, "error=");
    assert!(!log.contains("deadpool"), "{log}");
    postgres.restart();
    server.curl("/healthz").expect(200);
    let again = server.log().split_off(log.len());
    must_say(&again, "the database can be reached again");
}
