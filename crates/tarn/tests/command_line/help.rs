//! The help, word for word.

use std::{collections::BTreeMap, fs, path::Path};

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
    // That of a command is about the command; which registry is meant is in the long one.
    let short = help(&["user", "list", "-h"]);
    assert!(
        short.contains("--json") && !short.contains("--data-dir"),
        "{short}"
    );
}

#[test]
fn the_long_help_has_every_setting() {
    assert_snapshot!("long", help(&["help"]));
}

#[test]
fn the_help_of_a_command_has_its_arguments_and_settings() {
    // The arguments of all commands are in docs/reference/command-line.md, which a test compares with the code.
    for command in ["serve", "key rotate", "push"] {
        let arguments: Vec<&str> = ["help"].into_iter().chain(command.split(' ')).collect();
        assert_snapshot!(command.replace(' ', "_"), help(&arguments));
    }
}

#[test]
fn every_command_that_opens_the_registry_takes_the_same_settings() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/command-line.md");
    let page = fs::read_to_string(page).unwrap();
    let mut commands: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in page.lines() {
        let command = line.trim_start_matches('#').trim().strip_prefix("`tarn ");
        let Some(command) = command.and_then(|command| command.strip_suffix('`')) else {
            continue;
        };
        let arguments: Vec<&str> = ["help"].into_iter().chain(command.split(' ')).collect();
        let said = help(&arguments);
        let settings = said.split_once("\nSettings:").unwrap_or_default().1;
        let flags = settings
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--")?.split(' ').next());
        let flags: Vec<&str> = flags.collect();
        commands.entry(flags.join(" ")).or_default().push(command);
    }
    let text: Vec<String> = commands
        .iter()
        .map(|(settings, commands)| format!("[{settings}]\n{}\n", commands.join("\n")))
        .collect();
    assert_snapshot!("settings_of_commands", text.join("\n"));
}

#[test]
fn without_a_command_the_help_goes_to_standard_error() {
    let said = Folder::empty().tarn("");
    assert_eq!((said.exit, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("Usage: tarn <COMMAND>"));
}

#[test]
fn an_unknown_command_is_refused_with_the_nearest_one() {
    assert_snapshot!("unknown_command", Folder::empty().tarn("serv").all());
}

#[test]
fn the_version_is_data() {
    let expected = format!("tarn {}", env!("CARGO_PKG_VERSION"));
    for version in ["--version", "version"] {
        assert_eq!(Folder::empty().tarn(&[version]).line(), expected);
    }
}
