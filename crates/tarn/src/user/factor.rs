//! `tarn user factor`: the code beside the password.

use serde::Serialize;
use tarn_base::names::OwnerName;
use tarn_core::access::{FactorState, Proof, SecondFactors};

use crate::{administration::BY, failure::Failure, output};

/// How an account stands, in JSON.
#[derive(Serialize)]
struct Shown {
    name: String,
    second_factor: &'static str,
    since: Option<String>,
    recovery_codes_left: u64,
}

/// Shows whether a user has a second factor.
pub(super) async fn show(
    factors: &SecondFactors,
    name: &OwnerName,
    json: bool,
) -> Result<(), Failure> {
    let (second_factor, since, recovery_codes_left) = match factors.state(name).await? {
        FactorState::Off => ("off", None, 0),
        FactorState::Begun => ("begun", None, 0),
        FactorState::On {
            since,
            recovery_codes_left,
        } => ("on", Some(output::moment(since)), recovery_codes_left),
    };
    let shown = Shown {
        name: name.to_string(),
        second_factor,
        since,
        recovery_codes_left,
    };
    if json {
        return output::print_json(&shown);
    }
    let row = [
        shown.name,
        shown.second_factor.to_owned(),
        shown.since.unwrap_or_else(|| "-".to_owned()),
        shown.recovery_codes_left.to_string(),
    ];
    output::print_table(
        "second factor",
        ["NAME", "SECOND FACTOR", "SINCE", "RECOVERY CODES LEFT"],
        &[row],
    )
}

/// Removes it, and says so. Who may run this administers the whole server, so no code is asked for.
pub(super) async fn disable(factors: &SecondFactors, name: &OwnerName) -> Result<String, Failure> {
    factors.disable(name, Proof::Administrator, &BY).await?;
    Ok(format!(
        "turned off the second factor of {name}; from the next request on the password is enough"
    ))
}
