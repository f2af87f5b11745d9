//! The scripts that `make` calls before anything else, on machines that lack something.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use tempfile::TempDir;

/// A machine with what every system has, and programs that print what is given for them.
fn machine(programs: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["sh", "sed", "cut", "dirname", "echo", "id"] {
        let found = ["/bin", "/usr/bin"].map(|place| Path::new(place).join(name));
        let found = found.iter().find(|path| path.exists()).unwrap();
        symlink(found, folder.path().join(name)).unwrap();
    }
    for (name, prints) in programs {
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{prints}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// Runs a script there. Gives whether it ended well, and what it said on standard error.
fn run(machine: &TempDir, script: &str, arguments: &[&str]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../scripts")
        .join(script);
    let mut command = Command::new("/bin/sh");
    command.arg(script).args(arguments);
    let ended = command
        .env_clear()
        .env("PATH", machine.path())
        .output()
        .unwrap();
    (
        ended.status.success(),
        String::from_utf8(ended.stderr).unwrap(),
    )
}

#[test]
fn a_missing_or_old_rust_is_named_in_one_line_with_what_to_type() {
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    for (programs, said) in [
        (
            &[("curl", ""), ("apt-get", "")][..],
            "not installed; type: curl ",
        ),
        // What the command needs, where it is missing.
        (
            &[("apt-get", ""), ("id", "echo 0")],
            "type: apt-get update && apt-get install -y curl ca-certificates && curl ",
        ),
        (
            &[("dnf", ""), ("id", "echo 1000")],
            "type: sudo dnf install -y curl && curl ",
        ),
        (
            &[("apk", ""), ("curl", ""), ("id", "echo 0")],
            "type: apk add rustup && rustup-init -y && . ~/.cargo/env",
        ),
        (
            &[("cargo", "echo 'cargo 1.70.0 (ec8a8a0ca 2023-04-25)'")],
            "this is 1.70.0; type: curl --proto ",
        ),
        (
            &[("cargo", "echo 'cargo 0.99.0'"), ("rustup", "exit 1")],
            "this is 0.99.0; type: rustup toolchain install ",
        ),
        (
            &[("cargo", "exit 1"), ("rustup", "exit 1")],
            "cargo does not start",
        ),
    ] {
        let (good, text) = run(&machine(programs), "check-rust", &[]);
        assert!(!good && text.lines().count() == 1, "{text}");
        assert!(text.contains(said) && text.contains(wanted), "{text}");
    }
    for version in [
        format!("{wanted}.0"),
        "1.123.4-nightly".to_owned(),
        "2.0.0".to_owned(),
    ] {
        let cargo = format!("echo 'cargo {version} (x)'");
        let machine = machine(&[("cargo", &cargo)]);
        assert_eq!(
            run(&machine, "check-rust", &[]),
            (true, String::new()),
            "{version}"
        );
    }
}

#[test]
fn what_a_system_has_no_package_of_is_not_missed_there() {
    let ubuntu = [("apt-get", ""), ("grep", "")];
    for (programs, program, is_offered) in [
        (&[("apt-get", "")][..], "systemd-analyze", true),
        (&[("dnf", "")], "systemd-analyze", true),
        (&[("apk", "")], "systemd-analyze", false),
        (&[("dnf", "")], "mmdebstrap", false),
        (&[("apt-get", "")], "chromium", true),
        (&[("dnf", "")], "chromium", true),
        // Of Ubuntu only a snap: the file /etc/os-release says so here.
        (&ubuntu, "chromium", false),
        (&ubuntu, "curl", true),
        (&[("apk", "")], "no-such-program", false),
    ] {
        let (good, text) = run(&machine(programs), "install-system", &["offers", program]);
        assert_eq!(good, is_offered, "{program} {programs:?} {text}");
    }
    // One line says what is missing there, and all else is installed.
    let mut programs = ubuntu.to_vec();
    programs.push(("id", "echo 1000"));
    let (_, text) = run(&machine(&programs), "install-system", &["test"]);
    assert!(
        text.contains("not installed: Chromium, which Ubuntu has only as a snap"),
        "{text}"
    );
    assert!(
        text.contains(" git bwrap ") && !text.contains(" chromium "),
        "{text}"
    );
    // Any of its names is it.
    programs.push(("google-chrome", ""));
    let (_, text) = run(&machine(&programs), "install-system", &["test"]);
    assert!(!text.contains("Chromium"), "{text}");
}

#[test]
fn nothing_is_begun_before_rust_is_named() {
    let make = ["/bin/make", "/usr/bin/make"].map(Path::new);
    let Some(make) = make.into_iter().find(|path| path.exists()) else {
        return;
    };
    for goal in ["run", "test"] {
        let begins = ": >\"$0.began\"";
        let machine = machine(&[("apt-get", begins), ("curl", begins), ("rustc", begins)]);
        let mut command = Command::new(make);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        command.arg("-C").arg(root).arg(goal).env_clear();
        let ended = command.env("PATH", machine.path()).output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        assert!(
            !ended.status.success() && rest.lines().count() == 1,
            "{text}"
        );
        assert!(first.contains("not installed; type: curl "), "{text}");
        assert!(rest.starts_with("make: "), "{text}");
        let names = fs::read_dir(machine.path()).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(!names.any(|name| name.ends_with(".began")));
    }
}

#[test]
fn a_program_of_busybox_is_not_enough_and_what_is_missing_after_all_is_named() {
    let applet = "echo 'BusyBox v1.37.0 multi-call binary.' >&2; exit 1";
    let programs = [
        ("apk", "exit 1"),
        ("id", "echo 1000"),
        (
            "grep",
            "read -r line && case $line in BusyBox*) exit 0 ;; esac; exit 1",
        ),
        ("tar", applet),
        ("sha256sum", "echo 'sha256sum (GNU coreutils) 9.1'"),
    ];
    let (_, text) = run(&machine(&programs), "install-system", &["test"]);
    assert!(
        text.contains(" tar ") && !text.contains(" sha256sum "),
        "{text}"
    );
    // Packages are installed that bring nothing.
    let programs = [
        ("apk", ""),
        ("id", "echo 0"),
        ("mktemp", "echo \"$0.log\""),
        ("rm", ""),
    ];
    let (good, text) = run(&machine(&programs), "install-system", &["build"]);
    assert!(!good, "{text}");
    assert!(
        text.contains("still missing after its packages were installed: cc make"),
        "{text}"
    );
}

#[test]
fn what_may_not_be_installed_is_named_with_the_command_for_root() {
    let (good, text) = run(&machine(&[]), "install-system", &["build"]);
    assert!(!good && text.contains("missing: cc make"), "{text}");
    for (manager, command) in [
        (
            "apt-get",
            "install -y -qq --no-install-recommends gcc libc6-dev make",
        ),
        (
            "dnf",
            "install -y -q --setopt=install_weak_deps=False gcc make",
        ),
        ("apk", "add --quiet build-base make"),
    ] {
        // A user who is not root, and no sudo.
        let machine = machine(&[(manager, "exit 1"), ("id", "echo 1000")]);
        let (good, text) = run(&machine, "install-system", &["build"]);
        assert!(
            !good && text.contains(&format!("{manager} {command}")),
            "{text}"
        );
        assert!(text.contains("hint: as root: "), "{text}");
    }
}
