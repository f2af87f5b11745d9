//! The help, word for word.

use insta::assert_snapshot;

use crate::harness::Folder;

fn help(arguments: &[&str]) -> String {
    let said = Folder::empty().tarn(arguments);
    assert_eq!((said.exit, said.stderr.as_str()), (0, ""));
    said.stdout
}

#[test]
fn the_short_help_lists_the_commands() {
    assert_snapshot!("short", help(&["-h"]));
}

#[test]
fn the_long_help_tells_every_setting() {
    assert_snapshot!("long", help(&["help"]));
}

#[test]
fn every_command_has_its_help() {
    for command in [
        "serve",
        "user add",
        "user list",
        "user show",
        "user rename",
        "user release",
        "user delete",
        "user password",
        "user factor",
        "user disable",
        "user enable",
        "user visibility",
        "user versions",
        "user admin",
        "org add",
        "org list",
        "org show",
        "org member",
        "org members",
        "org rename",
        "org delete",
        "org visibility",
        "org versions",
        "org team add",
        "org team list",
        "org team change",
        "org team member",
        "org team members",
        "org team delete",
        "token add",
        "token list",
        "token revoke",
        "key list",
        "key export",
        "key import",
        "key reactivate",
        "key replace-sealing-key",
        "key retire",
        "key rotate",
        "webhook add",
        "webhook list",
        "webhook change",
        "webhook delete",
        "webhook deliveries",
        "webhook redeliver",
        "webhook test",
        "package list",
        "package delete",
        "quota show",
        "quota change",
        "expiry list",
        "expiry add",
        "expiry delete",
        "expiry run",
        "audit list",
        "audit export",
        "check-config",
        "inspect",
        "push",
        "install-key",
        "completions",
        "man-pages",
        "health",
        "import index",
    ] {
        let arguments: Vec<&str> = ["help"].into_iter().chain(command.split(' ')).collect();
        assert_snapshot!(command.replace(' ', "_"), help(&arguments));
    }
}

#[test]
fn without_a_command_the_help_goes_to_standard_error() {
    let said = Folder::empty().tarn(&[]);
    assert_eq!((said.exit, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("Usage: tarn <COMMAND>"));
}

#[test]
fn an_unknown_command_is_refused_with_the_nearest_one() {
    assert_snapshot!("unknown_command", Folder::empty().tarn(&["serv"]).all());
}

#[test]
fn the_version_is_data() {
    let expected = format!("tarn {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(Folder::empty().tarn(&["--version"]).line(), expected);
}
