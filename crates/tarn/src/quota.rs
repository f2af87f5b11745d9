//! `tarn quota`: what owners may have.

use serde::Serialize;
use tarn_base::{names::OwnerName, size::Size};
use tarn_core::{
    Administration,
    publish::{Allowance, QuotaChange},
};

use crate::{administration::BY, failure::Failure, output, settings::values};

/// `tarn quota …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Show an owner's usage and limits
    Show {
        /// The owner
        owner: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Set limits for one owner; existing packages stay
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
        .args(["bytes", "packages", "upload", "none", "default"])))]
    Change {
        /// The owner
        owner: OwnerName,
        /// The most bytes of all packages together, such as 10GiB
        #[arg(long, value_name = "SIZE", value_parser = values::size)]
        bytes: Option<u64>,
        /// The most package files
        #[arg(long, value_name = "NUMBER")]
        packages: Option<u64>,
        /// The most bytes of one upload, also where the server's `max-upload-size` is less
        #[arg(long, value_name = "SIZE", value_parser = values::size)]
        upload: Option<u64>,
        /// No limit on bytes and packages, whatever the server's is
        #[arg(long, conflicts_with_all = ["bytes", "packages", "upload", "default"])]
        none: bool,
        /// Go back to the server's limits
        #[arg(long, conflicts_with_all = ["bytes", "packages", "upload"])]
        default: bool,
    },
}

/// The JSON of `quota show`. No limit is null.
#[derive(Serialize)]
struct Shown {
    owner: String,
    bytes: Limited,
    packages: Limited,
    upload_limit: u64,
    upload_limit_is_own: bool,
}

#[derive(Serialize)]
struct Limited {
    used: u64,
    limit: Option<u64>,
    limit_is_own: bool,
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::Show { owner, json } => show(&owner, json, registry).await,
        Action::Change {
            owner: name,
            bytes,
            packages,
            upload,
            none,
            default,
        } => {
            let owner = registry.accounts().find_owner(&name).await?;
            let (quotas, by) = (registry.quotas(), &BY);
            let change = QuotaChange {
                bytes,
                packages,
                upload,
            };
            if none {
                quotas.lift(owner.id, by).await
            } else if default {
                quotas.set(owner.id, None, by).await
            } else {
                quotas.change(owner.id, change, by).await
            }?;
            output::note(&format!("changed the quota of {}", owner.name));
            Ok(())
        }
    }
}

async fn show(name: &OwnerName, json: bool, registry: &Administration) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let allowance = registry.quotas().allowance(owner.id).await?;
    let shown = Shown::new(owner.name, &allowance);
    if json {
        return output::print_json(&shown);
    }
    let row = |what: &str, used: String, limit: Option<String>, own: bool| {
        [
            what.to_owned(),
            used,
            limit.unwrap_or_else(|| "none".to_owned()),
            if own { "the owner" } else { "the server" }.to_owned(),
        ]
    };
    let size = |bytes| Size(bytes).exact();
    let (bytes, packages) = (&shown.bytes, &shown.packages);
    let rows = [
        row(
            "bytes",
            Size(bytes.used).to_string(),
            bytes.limit.map(size),
            bytes.limit_is_own,
        ),
        row(
            "packages",
            packages.used.to_string(),
            packages.limit.map(|limit| limit.to_string()),
            packages.limit_is_own,
        ),
        row(
            "one upload",
            String::new(),
            Some(size(shown.upload_limit)),
            shown.upload_limit_is_own,
        ),
    ];
    output::print_table("limit", ["WHAT", "USED", "LIMIT", "SET FOR"], &rows)?;
    if !(bytes.limit_is_own && packages.limit_is_own && shown.upload_limit_is_own) {
        output::note(
            "limits of the server are shown as this command finds them in tarn.toml and the variables; flags of `tarn serve` it cannot see",
        );
    }
    Ok(())
}

impl Shown {
    fn new(owner: String, allowance: &Allowance) -> Self {
        let own = allowance.own;
        Self {
            owner,
            bytes: Limited {
                used: allowance.used.bytes,
                limit: allowance.limit.bytes,
                limit_is_own: own.unlimited || own.bytes.is_some(),
            },
            packages: Limited {
                used: allowance.used.packages,
                limit: allowance.limit.packages,
                limit_is_own: own.unlimited || own.packages.is_some(),
            },
            upload_limit: allowance.upload,
            upload_limit_is_own: own.upload.is_some(),
        }
    }
}
