//! `tarn import forgejo` and `tarn import gitea`.

use std::path::PathBuf;

use tarn_core::Registry;
use tarn_import::{Forge, ForgeSettings, ImportError, Kind, Plan, Program, Report, carry};
use tarn_store::metadata::{MetadataError, VersionRule};
use tracing::Level;

use crate::{
    administration::BY,
    failure::Failure,
    logging, open, output,
    settings::{Configuration, Environment, RegistryFlags},
};

/// The arguments of both.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The forge's settings file. The forge is only read; stop it before the last import, so that nothing published there is missed
    #[arg(long, value_name = "FILE")]
    app_ini: PathBuf,
    /// Only this user or organisation, with its members; may be given several times
    #[arg(long = "owner", value_name = "NAME")]
    owners: Vec<String>,
    /// The forge's folder, where relative paths begin, if app.ini does not say (`WORK_PATH`)
    #[arg(long, value_name = "FOLDER")]
    work_path: Option<PathBuf>,
    /// The folder of the packages' bytes, if it is another than app.ini says: a copy of an S3 bucket, for example
    #[arg(long, value_name = "FOLDER")]
    packages: Option<PathBuf>,
    /// Merge this user or organisation of the forge into the one of the same name here, which did not come from this forge; may be given several times
    #[arg(long, value_name = "NAME")]
    merge: Vec<String>,
    /// Also import what an earlier import brought and was since deleted here
    #[arg(long)]
    again: bool,
    /// Only say what would be imported and what would not; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON, for scripts
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Imports, or says what would be imported.
    pub(crate) async fn run(&self, program: Program, flags: &RegistryFlags) -> Result<(), Failure> {
        let configuration = Configuration::of_command(flags, Environment::of_process())?;
        logging::install(&configuration, Level::WARN);
        let settings = open::library_settings(&configuration);
        let forge_settings = ForgeSettings::read(program, &self.app_ini, self.work_path.as_deref())
            .map_err(|error| Failure::from_error(&error))?;
        let forge = Forge::read(program, forge_settings, &self.owners).await;
        let forge = forge.map_err(|error| failed(&error))?;
        let mut plan = Plan::of(&forge);
        plan.check_names(&self.merge)
            .map_err(|error| failed(&error))?;
        let progress = |line: &str| output::note(line);
        let packages = self.packages.as_deref();
        let report = if self.dry_run {
            let lenient = settings.versions == VersionRule::Lenient;
            let limits = settings.package_limits.with_lenient_versions(lenient);
            let limits = (&limits, settings.max_upload);
            let read =
                tarn_import::try_packages((&forge, &plan), packages, limits, &progress).await;
            plan.planned(read)
        } else {
            let registry = open::beside_server_or_new(settings).await?;
            let options = carry::Options {
                packages,
                again: self.again,
                merge: &self.merge,
            };
            let imported = carry::carry((&forge, &mut plan), options, (&registry, &BY), &progress);
            let report = imported.await.map_err(|error| {
                failed(&error).hint("what was imported until then stays; repair that and run the same command again")
            })?;
            without_administrator(&registry).await?;
            registry.metadata().close().await;
            report
        };
        self.print(&report)
    }

    fn print(&self, report: &Report) -> Result<(), Failure> {
        if self.json {
            return output::print_json(report);
        }
        let rows: Vec<_> = Kind::ALL
            .into_iter()
            .map(|kind| (kind, report.count(kind)))
            .filter(|(kind, _)| *kind != Kind::Other)
            .map(|(kind, counts)| {
                [
                    kind.to_string(),
                    counts.imported.to_string(),
                    counts.there.to_string(),
                    counts.left_out.to_string(),
                ]
            })
            .collect();
        let imported = if self.dry_run {
            "TO IMPORT"
        } else {
            "IMPORTED"
        };
        output::print_table("row", ["WHAT", imported, "WAS THERE", "LEFT OUT"], &rows)?;
        for (left_out, heading) in [(true, "\nLeft out:\n"), (false, "\nTo know:\n")] {
            let mut text = String::new();
            for note in report.notes.iter().filter(|note| note.left_out == left_out) {
                let line = format!("{}: {}: {}", note.kind, note.what, note.why);
                text.push_str(&format!("  {}\n", crate::failure::printable(&line)));
            }
            if !text.is_empty() {
                output::print(&format!("{heading}{text}"))?;
            }
        }
        if self.dry_run {
            output::note(
                "this was a dry run: nothing was written, and what is in the registry already was not looked at",
            );
        }
        Ok(())
    }
}

/// Says so where the registry has no administrator now.
async fn without_administrator(registry: &Registry) -> Result<(), MetadataError> {
    let users = registry.metadata().users().await?;
    if !users.iter().any(|user| user.admin && !user.disabled) {
        output::note(
            "no user of this registry is a site administrator; make one with `tarn user admin NAME`",
        );
    }
    Ok(())
}

fn failed(error: &ImportError) -> Failure {
    Failure::from_error(error)
}
