//! The clients of the forges against the binary: the Go SDK of Gitea and the Python client of Forgejo, by small programs of our
//! own in `tests/clients/`. `scripts/install-clients` brings what they stand on.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::harness::{Package, Server, server::PASSWORD, tools};

/// Runs a program with the address of a server that has what the programs expect, and the credentials of its administrator.
fn run_against_a_server(mut program: Command) {
    let server = Server::start();
    for version in ["1.0-r0", "1.1-r0"] {
        server.publish("v3.23/main", &Package::new("hello", version));
    }
    let ended = program.args([&server.base, "admin", PASSWORD]).output();
    let ended = ended.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    let log = server.log();
    assert!(ended.status.success(), "{said}\n{errors}\n{log}");
    assert_eq!(said, "done\n");
}

fn folder(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    tests.join(name)
}

#[test]
fn the_go_sdk_of_gitea_works() {
    let Some(mut build) = tools::go_build_or_leave_out(&folder("go")) else {
        return;
    };
    let work = TempDir::new().unwrap();
    let program = work.path().join("client");
    let built = build.arg(&program).output().unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    run_against_a_server(Command::new(program));
}

#[test]
fn the_python_client_of_forgejo_works() {
    let Some(mut python) = tools::python_client_or_leave_out(&folder("python")) else {
        return;
    };
    python.arg(folder("python").join("main.py"));
    run_against_a_server(python);
}
