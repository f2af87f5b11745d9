//! `tarn import`: what is elsewhere comes into this registry.

mod checked;
mod forge;
mod index;
mod listing;
mod publishing;
mod report;
mod source;

use crate::{administration::Group, failure::Failure, open};

/// `tarn import …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Publish the packages of an existing repository, from a server or a folder, each checked against the signed index
    Index(index::Arguments),
    /// Take over accounts, tokens, signing keys and packages of a Forgejo whose files are on this machine
    Forgejo(forge::Arguments),
    /// Take over accounts, tokens, signing keys and packages of a Gitea whose files are on this machine
    Gitea(forge::Arguments),
}

/// Opens the registry, beside its server where one runs, and does what the command line says.
pub(crate) async fn run(group: Group<Action>) -> Result<(), Failure> {
    let (action, flags) = group.into_parts();
    match action {
        Action::Index(arguments) => {
            let arguments = arguments.understood()?;
            let registry = open::beside_server(&flags).await?;
            index::run(&arguments, &registry).await
        }
        Action::Forgejo(arguments) => arguments.run(tarn_import::Program::Forgejo, &flags).await,
        Action::Gitea(arguments) => arguments.run(tarn_import::Program::Gitea, &flags).await,
    }
}
