//! Opening the registry that the settings name.

use std::env;

use tarn_base::{clock::Clock, hint::Hint};
use tarn_core::{Administration, OpenError, Registry, Survey, settings::Settings};
use tarn_store::metadata::{Actor, Database, Metadata};
use tracing::Level;

use crate::{
    failure::Failure,
    logging,
    settings::{Configuration, Environment, RegistryFlags},
};

/// What the registry opens with, in this process.
pub(crate) fn library_settings(configuration: &Configuration) -> Settings {
    let settings = configuration.registry.clone();
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    Settings {
        // Nothing else of a store comes from the environment: variables that are meant for other programs must not win over the settings.
        storage: settings.storage.clone().with_credentials(variable),
        lost_log_lines: logging::lost_lines(),
        ..settings
    }
}

/// Why the password of the first account cannot be used. Only one that was given can be weak.
pub(crate) fn refused_admin_password(error: &(impl Hint + 'static)) -> Failure {
    Failure::hinted(error)
        .into_usage()
        .about("TARN_ADMIN_PASSWORD cannot be used")
}

/// Opens the registry for administration. It has to be there: a mistyped `--data-dir` must not make a second one, nor a
/// shell without TARN_SECRET_KEY a second sealing key.
pub(crate) async fn for_administration(flags: &RegistryFlags) -> Result<Administration, Failure> {
    let settings = existing(flags).await?;
    Ok(Administration::open_existing(&settings, &Clock::system()).await?)
}

/// Opens a registry that is there for an import, beside its server where one runs.
pub(crate) async fn beside_server(flags: &RegistryFlags) -> Result<Registry, Failure> {
    let settings = existing(flags).await?;
    Ok(Registry::open_beside(settings, Clock::system()).await?)
}

/// The same, and where there is none yet it is made, which no server may do meanwhile.
pub(crate) async fn beside_server_or_new(settings: Settings) -> Result<Registry, Failure> {
    let survey = Survey::of(&settings).await?;
    Ok(match survey.is_first_run || survey.makes_sealing_key {
        true => Registry::open(settings, Clock::system()).await?,
        false => Registry::open_beside(settings, Clock::system()).await?,
    })
}

/// Takes the sealing key that is there now for that of the registry.
pub(crate) async fn replace_sealing_key(flags: &RegistryFlags, by: &Actor) -> Result<(), Failure> {
    let settings = existing(flags).await?;
    Ok(Administration::replace_sealing_key(&settings, &Clock::system(), by).await?)
}

/// The settings of a registry that is there.
async fn existing(flags: &RegistryFlags) -> Result<Settings, Failure> {
    let configuration = Configuration::of_command(flags, Environment::of_process())?;
    logging::install(&configuration, Level::WARN);
    let settings = library_settings(&configuration);
    let registry = &configuration.registry;
    let folder = registry.data_dir.display();
    let is_there = match &registry.database {
        Database::Sqlite(path) => path.try_exists().map_err(|error| {
            Failure::new(format!("cannot look into {folder}"))
                .because(&error)
                .hint("run this as the user that runs the server")
        })?,
        Database::Postgres(_) => {
            let found = Metadata::survey(&registry.database).await;
            found.map_err(OpenError::from)?.has_users
        }
    };
    if is_there {
        return Ok(settings);
    }
    Err(match &registry.database {
        // Another one there would have keys that do not fit.
        Database::Sqlite(path) if registry.data_dir.join("secret.key").exists() => {
            Failure::new(format!(
                "the registry in {folder} has its database elsewhere: there is a sealing key, and no {}",
                path.display()
            ))
            .hint("give this command the database of the server: TARN_DATABASE, or the server's settings file with `--config` or TARN_CONFIG")
        }
        Database::Sqlite(_) => Failure::new(format!("there is no registry in {folder}")).hint(
            format!("check `--data-dir`, or make one: tarn serve --data-dir {folder}"),
        ),
        Database::Postgres(address) => {
            Failure::new(format!("there is no registry in the database {address}"))
                .hint("check `--database`, or make one: `tarn serve` with the same `--database`")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;

    #[test]
    fn the_defaults_here_are_those_of_the_library() {
        let configuration =
            Configuration::resolve(&Flags::<true>::default(), Environment::default(), None)
                .unwrap();
        let defaults = Settings::in_folder("./tarn-data".into());
        assert_eq!(
            format!("{:?}", library_settings(&configuration)),
            format!("{defaults:?}")
        );
    }
}
