//! What the commands that administer have in common: a registry that is there, and no one who signs in.

use clap::Subcommand;
use tarn_core::{
    Administration,
    access::{AccountError, FactorError},
    keys::KeyError,
};
use tarn_store::metadata::{Actor, MetadataError};

use crate::{failure::Failure, open, settings::RegistryFlags};

/// Who administers by the command line: any user that may run it.
pub(crate) static BY: Actor = Actor::COMMAND_LINE;

/// `tarn GROUP ACTION`, and which registry it is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Group<Action: Subcommand> {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    flags: RegistryFlags,
}

impl<Action: Subcommand> Group<Action> {
    /// What to do.
    pub(crate) fn action(&self) -> &Action {
        &self.action
    }

    /// With which registry.
    pub(crate) fn flags(&self) -> &RegistryFlags {
        &self.flags
    }

    /// Both.
    pub(crate) fn into_parts(self) -> (Action, RegistryFlags) {
        (self.action, self.flags)
    }

    /// Opens the registry and has `run` do what the command line says.
    pub(crate) async fn run(
        self,
        run: impl AsyncFnOnce(Action, &Administration) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let registry = open::for_administration(&self.flags).await?;
        run(self.action, &registry).await
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        Self::hinted(&error)
    }
}

impl From<FactorError> for Failure {
    fn from(error: FactorError) -> Self {
        Self::hinted(&error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::hinted(&error)
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        Self::from_error(&error)
    }
}
