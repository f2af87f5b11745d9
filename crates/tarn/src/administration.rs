//! What the commands that administer have in common: a registry that is there, and no one who signs in.

use std::str::FromStr;

use clap::Subcommand;
use tarn_base::hint::Hint;
use tarn_core::{
    Administration, OpenError,
    access::{AccountError, FactorError},
    keys::KeyError,
    publish::expiry::ExpiryError,
};
use tarn_http::TlsError;
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

/// A text that was put together from flags.
pub(crate) fn parsed<T: FromStr<Err: Hint + 'static>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error| Failure::hinted(&error).into_usage())
}

/// "now" if something changed, else "as before".
pub(crate) fn when(changed: bool) -> &'static str {
    if changed { "now" } else { "as before" }
}

/// Errors of the library that say what is wrong and what to do.
macro_rules! hinted {
    ($($error:ty),*) => {
        $(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    Self::hinted(&error)
                }
            }
        )*
    };
}

hinted!(
    AccountError,
    ExpiryError,
    FactorError,
    KeyError,
    OpenError,
    TlsError
);

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        Self::from_error(&error)
    }
}
