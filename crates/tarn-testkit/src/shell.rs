//! What ends with the tests, however they end.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// A shell that runs `commands`, and then deletes the folder. What is added to its arguments is `"$@"` in them. To read its input is to
/// wait for the end of this process.
pub(crate) fn shell(commands: &str, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!(r#"{commands}; rm -rf "$0""#)])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // An interrupt at the terminal ends the tests only, and the shell goes on until the folder is gone.
        .process_group(0);
    shell
}
