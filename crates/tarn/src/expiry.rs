//! `tarn expiry`: the rules by which old packages go.

use serde::Serialize;
use tarn_base::names::OwnerName;
use tarn_core::{Administration, access::PlacePattern, publish::expiry::Run};

use crate::{administration::BY, failure::Failure, output, package, settings::values};

/// `tarn expiry …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List an owner's rules
    List {
        /// The owner
        owner: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Add a rule, or change the numbers of the one for these repositories
    Add {
        /// The owner
        owner: OwnerName,
        /// The repositories: branch/repository, where `*` stands for any run of characters
        #[arg(value_name = "REPOSITORIES")]
        pattern: PlacePattern,
        /// Delete files that were published more than this many days ago, 1 to 36500, such as 30 or 30d
        #[arg(long, value_name = "DAYS", value_parser = days)]
        older_than: u32,
        /// The number of newest versions of each package and architecture to keep, however old
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        keep: u32,
    },
    /// Delete a rule
    Delete {
        /// The owner
        owner: OwnerName,
        /// The repositories of the rule, as `expiry list` shows it
        #[arg(value_name = "REPOSITORIES")]
        pattern: PlacePattern,
    },
    /// Apply an owner's rules now, and list what was deleted
    Run {
        /// The owner
        owner: OwnerName,
        /// Only list what would be deleted
        #[arg(long)]
        dry_run: bool,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
}

/// One rule, in the JSON of `expiry list`.
#[derive(Serialize)]
struct Shown {
    repositories: String,
    older_than_days: u32,
    keep: u32,
}

fn days(text: &str) -> Result<u32, String> {
    values::days(text)
        .map_err(|problem| format!("{problem}; write a number of days, such as 30 or 30d"))
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::List { owner, json } => list(&owner, json, registry).await,
        Action::Add {
            owner: name,
            pattern,
            older_than,
            keep,
        } => {
            let owner = registry.accounts().find_owner(&name).await?;
            registry
                .expiry()
                .set(owner.id, &pattern, older_than, keep, &BY)
                .await?;
            output::note(&format!(
                "files of {} in {pattern} are deleted after {older_than} days; the newest {keep} versions stay",
                owner.name
            ));
            Ok(())
        }
        Action::Delete {
            owner: name,
            pattern,
        } => {
            let owner = registry.accounts().find_owner(&name).await?;
            let expiry = registry.expiry();
            let removed = expiry.remove(owner.id, &pattern, &BY).await?;
            let name = &owner.name;
            if !removed {
                let hint = format!("`tarn expiry list {name}` shows those there are");
                return Err(Failure::new(format!("{name} has no rule for {pattern}")).hint(hint));
            }
            output::note(&format!("deleted the rule of {name} for {pattern}"));
            Ok(())
        }
        Action::Run {
            owner,
            dry_run,
            json,
        } => apply(&owner, dry_run, json, registry).await,
    }
}

async fn apply(
    name: &OwnerName,
    dry_run: bool,
    json: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let run = if dry_run { Run::Dry } else { Run::Remove(&BY) };
    let mut shown = Vec::new();
    let ended = registry
        .expiry()
        .run(Some(owner.id), run, |file| {
            shown.push(package::Shown::from(file));
        })
        .await;
    // What was deleted is listed also where it could not go on.
    if json || !shown.is_empty() {
        let mut listing = package::listing("package", json);
        listing.page(&shown, package::row)?;
        listing.end()?;
    }
    let count = ended?;
    output::note(&match dry_run {
        true => format!("{count} would be deleted; nothing was changed"),
        false => format!("deleted {count}"),
    });
    Ok(())
}

async fn list(name: &OwnerName, json: bool, registry: &Administration) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let shown: Vec<Shown> = registry
        .expiry()
        .rules(Some(owner.id))
        .await?
        .into_iter()
        .map(|rule| Shown {
            repositories: rule.pattern,
            older_than_days: rule.days,
            keep: rule.keep,
        })
        .collect();
    output::print_list(
        json,
        "rule",
        ["REPOSITORIES", "OLDER THAN DAYS", "KEEP"],
        shown,
        |rule| {
            let days = rule.older_than_days.to_string();
            [rule.repositories, days, rule.keep.to_string()]
        },
    )
}
