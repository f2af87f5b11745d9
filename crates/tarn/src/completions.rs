//! `tarn completions` and `tarn man-pages`: what packages of `tarn` install beside it, made from the commands themselves.

use std::{fs, io, path::PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::{failure::Failure, output};

/// `tarn completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// `tarn man-pages`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManPages {
    /// The folder, which is made when it is not there: tarn.1, tarn-serve.1, …
    folder: PathBuf,
}

/// Prints the script for the shell.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tarn", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}

/// Writes a page for each command.
pub(crate) fn write_pages(arguments: &ManPages, command: Command) -> Result<(), Failure> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|error: io::Error| {
            Failure::new(format!("cannot write the pages into {}", folder.display()))
                .because(&error)
        })
}
