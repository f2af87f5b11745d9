//! What is typed at a terminal.

use std::{
    fs::File,
    io::{Read as _, Write as _},
};

use apk_testkit::v2::PackageBuilder;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use tarn_testkit::must_say;

use crate::harness::Folder;

/// A terminal and the two ends of what is typed and shown there.
fn terminal() -> (File, File) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    let mut options = File::options();
    let far = options
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    (near.into(), far)
}

/// Reads what is shown at the terminal until it ends with `prompt`.
fn await_prompt(near: &mut File, shown: &mut String, prompt: &str) {
    while !shown.ends_with(prompt) {
        let mut piece = [0; 256];
        let read = near.read(&mut piece).unwrap();
        shown.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
}

#[test]
fn a_password_that_is_typed_is_asked_for_twice_and_not_shown() {
    let folder = Folder::with_registry();
    for (second, exit) in [("correct horse", 0), ("correct hose", 2)] {
        let (mut near, far) = terminal();
        let mut command = folder.command("user password admin", &[]);
        command.stdin(far.try_clone().unwrap()).stderr(far);
        let mut child = command.spawn().unwrap();
        // Its ends of the terminal must not stay open here.
        drop(command);
        let mut shown = String::new();
        for (prompt, answer) in [
            ("new password: ", "correct horse"),
            ("the same again: ", second),
        ] {
            await_prompt(&mut near, &mut shown, prompt);
            near.write_all(format!("{answer}\n").as_bytes()).unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(exit), "{shown}");
        // A terminal whose other end is closed gives an error once it is read to its end.
        let mut rest = Vec::new();
        let _ = near.read_to_end(&mut rest);
        shown.push_str(std::str::from_utf8(&rest).unwrap());
        assert!(!shown.contains("correct"), "{shown}");
        let said = if exit == 0 {
            "changed the password of admin"
        } else {
            "are not the same"
        };
        assert!(shown.contains(said), "{shown}");
    }
}

#[test]
fn ctrl_c_at_a_prompt_leaves_the_terminal_as_it_was() {
    let folder = Folder::with_registry();
    let (mut near, far) = terminal();
    let mut command = folder.command("user password admin", &[]);
    command
        .stdin(far.try_clone().unwrap())
        .stderr(far.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    await_prompt(&mut near, &mut String::new(), "new password: ");
    near.write_all(b"correct\x03").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let modes = tcgetattr(&far).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
}

#[test]
fn push_draws_bars_on_a_terminal_and_takes_them_away() {
    let folder = Folder::with_registry();
    let server = folder.serve(&[], &[]);
    let add = "tarn token add --user admin --name ci --scope write:package";
    let token = folder.sh(add);
    let package = PackageBuilder::new("hello", "1.0-r0").file("usr/bin/hello", b"hello");
    folder.write("hello.apk", package.build());
    let to = format!("http://{}/admin/v3.23/main", server.address);
    let (mut near, far) = terminal();
    let size = Winsize {
        ws_row: 24,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&far, size).unwrap();
    let mut command = folder.command(
        &["push", "--to", &to, "hello.apk"],
        &[("TARN_TOKEN", token.trim()), ("TERM", "xterm")],
    );
    command.stderr(far);
    let child = command.spawn().unwrap();
    drop(command);
    let mut shown = Vec::new();
    let _ = near.read_to_end(&mut shown);
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(output.status.success(), "{shown}");
    let url = String::from_utf8(output.stdout).unwrap();
    assert!(
        url.starts_with("published http://"),
        "only data is on standard output: {url}"
    );
    must_say(&shown, "1 package ");
    must_say(&shown, "hello-1.0-r0.apk");
    assert!(shown.contains('█') || shown.contains('░'), "{shown}");
    // Each bar is wiped out in the end.
    assert!(
        shown.rfind("\u{1b}[2K") > shown.rfind("hello-1.0-r0.apk"),
        "{shown:?}"
    );
}
