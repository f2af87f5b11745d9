//! Waiting until clients find what was published: the index is asked for as they ask for it, through every cache on the way.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use apk::{
    arch::Arch, digest::PackageHash, facts::Format, limits::Limits, v2::index as index_v2,
    v3::index as index_v3,
};
use http::StatusCode;
use tokio::time::sleep;

use super::{check::Checked, send::Sender};
use crate::{
    failure::Failure,
    remote::{refused_caller, retry::may_pass, unanswered},
};

/// The pause between two looks at an index.
const PAUSE: Duration = Duration::from_secs(1);

/// Where packages of architecture `noarch` only are looked for: in the index of the most common one.
const MOST_COMMON: &str = "x86_64";

/// Returns once the indexes list each of `packages`.
///
/// # Errors
///
/// When they don't within `patience`, or can't be read.
pub(super) async fn wait(
    sender: &Sender<'_>,
    packages: &[Checked],
    patience: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + patience;
    let other = packages
        .iter()
        .map(|package| &package.facts.arch)
        .find(|arch| !arch.is_noarch());
    let common = match other {
        Some(arch) => arch.clone(),
        None => Arch::parse(MOST_COMMON).map_err(|error| Failure::from_error(&error))?,
    };
    let place = |package: &Checked| {
        let arch = match package.facts.arch.is_noarch() {
            true => &common,
            false => &package.facts.arch,
        };
        (arch.clone(), matches!(package.facts.format, Format::V3))
    };
    let indexes: BTreeSet<_> = packages.iter().map(place).collect();
    for index in &indexes {
        let wanted: Vec<&Checked> = packages
            .iter()
            .filter(|package| place(package) == *index)
            .collect();
        one(sender, index, &wanted, end, patience).await?;
    }
    Ok(())
}

async fn one(
    sender: &Sender<'_>,
    (arch, is_v3): &(Arch, bool),
    wanted: &[&Checked],
    end: Instant,
    patience: Duration,
) -> Result<(), Failure> {
    let name = match is_v3 {
        true => "Packages.adb",
        false => "APKINDEX.tar.gz",
    };
    let url = sender.place.file(arch, name);
    loop {
        let limits = Limits::default();
        let problem = match sender.remote.get(&url, sender.credentials).await {
            Ok(mut answer) if answer.status() == StatusCode::OK => {
                let bytes = match answer.bytes(limits.index).await {
                    Ok(bytes) => bytes.unwrap_or_default(),
                    Err(error) => return Err(unanswered(&error)),
                };
                match missing(&bytes, *is_v3, &limits, wanted)? {
                    None => return Ok(()),
                    Some(missing) => format!("it does not list {missing}"),
                }
            }
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND || may_pass(answer.status()) => {
                format!("the server answers {}", answer.status())
            }
            Ok(mut answer) => {
                return Err(refused_caller(&mut answer, sender.credentials.is_some())
                    .await
                    .about(url.as_str()));
            }
            Err(error) if error.may_pass() => error.to_string(),
            Err(error) => return Err(unanswered(&error)),
        };
        if Instant::now() + PAUSE > end {
            return Err(Failure::new(format!(
                "{url} is not current after {} seconds: {problem}",
                patience.as_secs()
            ))
            .hint(
                "the packages are published; a cache before the server may keep an older index",
            ));
        }
        sleep(PAUSE).await;
    }
}

/// The first of `wanted` that the index does not list.
fn missing(
    bytes: &[u8],
    is_v3: bool,
    limits: &Limits,
    wanted: &[&Checked],
) -> Result<Option<String>, Failure> {
    let mut listed = BTreeSet::new();
    let hash = |hash: &PackageHash| hash.as_bytes().to_vec();
    if is_v3 {
        let index = index_v3::read_unverified(bytes, limits)
            .map_err(|error| Failure::from_error(&error).about("Packages.adb"))?;
        listed.extend(index.packages.iter().map(|package| hash(&package.hash)));
    } else {
        index_v2::for_each_record(bytes, limits, None, |record| {
            listed.insert(record.identity().as_bytes().to_vec());
        })
        .map_err(|error| Failure::from_error(&error).about("APKINDEX.tar.gz"))?;
    }
    Ok(wanted
        .iter()
        .find(|package| !listed.contains(&hash(&package.hash)))
        .map(|package| package.file_name.clone()))
}
