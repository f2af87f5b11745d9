//! Tarn, a self-hosted registry for Alpine packages: the command line.
//!
//! One file a command group. Each takes its arguments apart, calls the library, and says what came of it: data on
//! standard output, everything else on standard error.

mod administration;
mod audit;
mod certificate;
mod check_config;
mod completions;
mod descriptors;
mod expiry;
mod failure;
mod first_run;
mod health;
mod import;
mod inspect;
mod install_key;
mod key;
mod logging;
mod open;
mod org;
mod output;
mod package;
mod progress;
mod push;
mod quota;
mod reference;
mod remote;
mod secret;
mod serve;
mod settings;
mod signals;
mod token;
mod user;
mod webhook;

use std::{error::Error, process::ExitCode, sync::LazyLock};

use clap::{
    CommandFactory as _, Parser, Subcommand,
    error::{ContextKind, ErrorKind},
};
use tokio::runtime::Builder;

use crate::{
    administration::Group,
    failure::{Exit, Failure},
};

/// Serving is a matter of many small allocations on several threads, and the allocator of the C library is slow at it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static SETTINGS_HELP: LazyLock<String> = LazyLock::new(settings::table::help);

/// A registry for Alpine packages that you run yourself: upload an .apk, and `apk add` installs it from a signed index.
#[derive(Debug, Parser)]
#[command(
    name = "tarn",
    version,
    max_term_width = 100,
    after_long_help = SETTINGS_HELP.as_str(),
    after_help = "Start with `tarn serve`. The other commands change the registry that `--data-dir` names, also while its server runs.\n\
                  `tarn help` lists every setting; `tarn help COMMAND` describes one command."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; the first run makes the registry and says what to type next
    Serve(serve::Arguments),
    /// Add, list and change the users
    User(Group<user::Action>),
    /// Add, list and change organisations, their members and their teams
    Org(Group<org::Action>),
    /// Add, list and revoke access tokens
    Token(Group<token::Action>),
    /// List, export, rotate and import the keys that sign the indexes
    Key(Group<key::Action>),
    /// Add, list, change and test webhooks, which send a signed message when a package is published or deleted
    Webhook(Group<webhook::Action>),
    /// List, delete and restore packages
    Package(Group<package::Action>),
    /// Show and change how much space and how many packages owners may have
    Quota(Group<quota::Action>),
    /// List, change and run the rules by which old packages are deleted
    Expiry(Group<expiry::Action>),
    /// Read the log of who did what
    Audit(Group<audit::Action>),
    /// Show the settings in force, where they come from, and whether they can work
    CheckConfig(check_config::Arguments),
    /// Ask the server on this machine whether it serves; for container engines and monitoring
    Health(health::Arguments),
    /// Read a package or an index as strictly as the server does, and show what it says
    Inspect(inspect::Arguments),
    /// Import from elsewhere: an existing repository, a Forgejo or a Gitea
    Import(Group<import::Action>),
    /// Publish packages to a server: checked first, several at once, retried where that is safe
    Push(push::Arguments),
    /// Fetch the public key of an owner from a server, and put it where apk finds it
    InstallKey(install_key::Arguments),
    /// Print the shell completions of `tarn`
    Completions(completions::Arguments),
    /// Write the manual pages into a folder
    ManPages(completions::ManPages),
    /// Print the version, as `--version` does
    #[command(hide = true)]
    Version,
    /// Print a page of the reference that is made from the code
    #[command(hide = true)]
    Reference(reference::Arguments),
}

fn main() -> ExitCode {
    let ended = match CommandLine::try_parse() {
        Ok(line) => run(line.command),
        Err(error) => Err(not_understood(&error)),
    };
    match ended {
        Ok(()) => {
            logging::flush();
            Exit::Done.into()
        }
        Err(failure) => {
            logging::last_words(&failure.to_string());
            failure.exit().into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => on_runtime(Builder::new_multi_thread(), serve::run(arguments)),
        Command::User(group) => administer(group.run(user::run)),
        Command::Org(group) => administer(group.run(org::run)),
        Command::Token(group) => administer(group.run(token::run)),
        Command::Key(group) => administer(key::run_group(group)),
        Command::Webhook(group) => administer(group.run(webhook::run)),
        Command::Package(group) => administer(group.run(package::run)),
        Command::Quota(group) => administer(group.run(quota::run)),
        Command::Expiry(group) => administer(group.run(expiry::run)),
        Command::Audit(group) => administer(group.run(audit::run)),
        Command::CheckConfig(arguments) => administer(check_config::run(&arguments)),
        Command::Health(arguments) => administer(health::run(arguments)),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Import(group) => on_runtime(Builder::new_multi_thread(), import::run(group)),
        Command::Push(arguments) => administer(push::run(arguments)),
        Command::InstallKey(arguments) => administer(install_key::run(arguments)),
        Command::Completions(arguments) => completions::run(&arguments, CommandLine::command()),
        Command::ManPages(arguments) => {
            completions::write_pages(&arguments, CommandLine::command())
        }
        Command::Version => output::print(&CommandLine::command().render_version()),
        Command::Reference(arguments) => reference::run(&arguments, CommandLine::command()),
    }
}

/// Says why a value of the command line was refused, in the words of the code that refused it. Everything else that can be
/// wrong with a command line, and the help, is printed by the parser, which ends the process.
fn not_understood(error: &clap::Error) -> Failure {
    match (
        error.kind(),
        error.source(),
        error.get(ContextKind::InvalidArg),
    ) {
        (ErrorKind::ValueValidation, Some(refused), Some(argument)) => {
            Failure::refused_value(refused)
                .into_usage()
                .about(&format!("`{argument}` cannot be used"))
        }
        _ => error.exit(),
    }
}

fn administer(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    on_runtime(Builder::new_current_thread(), command)
}

/// Runs a command that waits for things on a runtime of its own.
fn on_runtime(
    mut runtime: Builder,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start the threads of the runtime").because(&error))?
        .block_on(async {
            signals::survive_file_size_limit()?;
            command.await
        })
}
