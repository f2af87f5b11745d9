//! What it costs to find out who asks: [`Access::authenticate`] in this process, without a socket.

use std::{cell::Cell, net::IpAddr, path::Path, sync::Arc};

use argon2::{Algorithm, Argon2, Params, Version};
use tarn_base::{clock::Clock, names::OwnerName, random::Random, sealer::Sealer, secret::Secret};
use tarn_core::{
    Common,
    access::{
        Access, AccessLimits, Accounts, Caller, Credentials, PasswordCost, SecondFactors,
        TokenRequest, tokens,
    },
};
use tarn_store::metadata::{Actor, Database, Metadata, OwnerId, OwnerKind, Visibility};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Effort, Failure, Result,
    corpus::{self, Entry, record},
    measure::{Samples, Seconds, wall_seconds},
    report::{Goal, Row, Table},
    tools::WorkFolder,
};

const PASSWORD: &str = "correct horse";
/// `alice` with that password (RFC 7617).
const BASIC: &[u8] = b"Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==";
const NEEDS: &str = "one microsecond";
const ARGON2: &str = "one bare Argon2id run of the same cost (19 MiB, two passes)";

/// A database with one user, and what that user sends.
struct Setup {
    runtime: Runtime,
    metadata: Metadata,
    accounts: Accounts,
    sealer: Arc<Sealer>,
    user: OwnerName,
    owner: OwnerId,
    token: String,
    /// What is published, and how many of them were.
    entries: Vec<Entry>,
    published: Cell<usize>,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort) -> Result<Table> {
    let folder = WorkFolder::new("access")?;
    let calls: u32 = if effort.quick { 1_000 } else { 20_000 };
    let commits = calls / 100;
    let setup = Setup::make(folder.path(), commits as usize * effort.rounds)?;
    let firsts = if effort.quick { 2 } else { 10 };

    let by_password = Credentials::parse(Some(BASIC))?;
    let by_token = bearer(&setup.token)?;
    let random = Random::counted(1);

    let mut argon2 = Samples::default();
    let (mut first, mut remembered) = (Samples::default(), Samples::default());
    let (mut token, mut wrong_token) = (Samples::default(), Samples::default());
    let (mut after_a_publish, mut after_a_change) = (Samples::default(), Samples::default());
    let mut password_after_a_change = Samples::default();
    for _ in 0..effort.rounds {
        let (mut bare, mut asked) = (0.0, 0.0);
        for _ in 0..firsts {
            bare += argon2_seconds()?;
            // It remembers nothing yet.
            asked += setup.seconds(&setup.access()?, &by_password, 1, true)?;
        }
        argon2.push(bare / f64::from(firsts));
        first.push(asked / f64::from(firsts));
        let access = setup.access()?;
        setup.seconds(&access, &by_password, 1, true)?;
        remembered.push(setup.seconds(&access, &by_password, calls, true)?);
        token.push(setup.seconds(&access, &by_token, calls, true)?);
        let mut seconds = 0.0;
        for _ in 0..calls / 10 {
            // Another each time: nothing is known of it yet.
            let (unknown, _) = tokens::generate(&random)?;
            seconds += setup.seconds(&access, &bearer(unknown.expose())?, 1, false)?;
        }
        wrong_token.push(seconds / f64::from(calls / 10));
        after_a_publish.push(setup.seconds_after_publishes(&access, &by_token, commits)?);
        after_a_change.push(setup.seconds_after_changes(&access, &by_token, commits)?);
        let seconds = setup.seconds_after_changes(&access, &by_password, commits)?;
        password_after_a_change.push(seconds);
    }
    let micro: Samples = std::iter::repeat_n(1e-6, effort.rounds).collect();
    let row = |what: &str, samples: &Samples, goal: Goal| Row {
        what: what.to_owned(),
        of: NEEDS.to_owned(),
        ratio: samples.over(&micro),
        goal,
        sides: Seconds(samples.median()).to_string(),
    };
    Ok(Table {
        name: "access",
        how: format!(
            "Wall time of `Access::authenticate` in one process, one caller at a time, by the clock of the machine; {} rounds of \
             {calls} calls each; the first request with a password comes {firsts} times a round, in turns with the bare run, wrong tokens \
             {} times, each another, and requests after a publish or a change {commits} times each.",
            effort.rounds,
            calls / 10,
        ),
        rows: vec![
            Row {
                what: "the first request with a password".to_owned(),
                of: ARGON2.to_owned(),
                ratio: first.over(&argon2),
                goal: Goal::AtMost(1.2),
                sides: format!("{} / {}", Seconds(first.median()), Seconds(argon2.median())),
            },
            row(
                "a further request with that password",
                &remembered,
                Goal::AtMost(50.0),
            ),
            row(
                "a further request with that password after the account was changed",
                &password_after_a_change,
                Goal::AtMost(50.0),
            ),
            row("a request with a token", &token, Goal::AtMost(100.0)),
            row(
                "the first request with a token after a package was published",
                &after_a_publish,
                Goal::AtMost(100.0),
            ),
            row(
                "the first request with a token after the account it belongs to was changed",
                &after_a_change,
                Goal::AtMost(100.0),
            ),
            Row {
                what: "a request with a token that nobody has".to_owned(),
                of: ARGON2.to_owned(),
                ratio: wrong_token.over(&argon2),
                goal: Goal::AtMost(0.01),
                sides: format!(
                    "{} / {}",
                    Seconds(wrong_token.median()),
                    Seconds(argon2.median())
                ),
            },
        ],
    })
}

impl Setup {
    /// With `packages` to publish.
    fn make(folder: &Path, packages: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let database = Database::Sqlite(folder.join("access.db"));
        let user = OwnerName::parse("alice")?;
        let (metadata, accounts, owner, token) = runtime.block_on(async {
            let metadata = Metadata::open(&database).await?;
            let accounts = Accounts::new(metadata.clone(), Clock::system());
            let password = Secret::new(PASSWORD.to_owned());
            let visibility = Visibility::Public;
            accounts
                .add_user(&user, Some(&password), false, visibility, &Actor::SERVER)
                .await?;
            let request = TokenRequest::new("bench", "write:package".parse()?);
            let (_, token) = accounts
                .add_token(OwnerKind::User, &user, &request, None, &Actor::SERVER)
                .await?;
            let owner = metadata.owner(&user).await?.ok_or("no owner")?.id;
            Ok::<_, Failure>((metadata, accounts, owner, token.expose().to_owned()))
        })?;
        Ok(Self {
            runtime,
            metadata,
            accounts,
            sealer: Arc::new(Sealer::from_data_folder(folder)?),
            user,
            owner,
            token,
            entries: corpus::entries(packages, 51),
            published: Cell::new(0),
        })
    }

    /// What checks credentials in a server that was just started.
    fn access(&self) -> Result<Access> {
        let limits = AccessLimits::default();
        let common = Common {
            metadata: self.metadata.clone(),
            sealer: Arc::clone(&self.sealer),
            clock: Clock::system(),
            random: Random::system(),
        };
        let second_factors = SecondFactors::new(common.clone(), &limits);
        Ok(Access::new(common, limits, second_factors)?)
    }

    /// Seconds for one of `calls` requests with these credentials. `right` says how each has to end.
    fn seconds(
        &self,
        access: &Access,
        credentials: &Credentials,
        calls: u32,
        right: bool,
    ) -> Result<f64> {
        let ((), seconds) = wall_seconds(|| {
            self.runtime.block_on(async {
                for _ in 0..calls {
                    ask(access, credentials, right).await?;
                }
                Ok(())
            })
        })?;
        Ok(seconds / f64::from(calls))
    }

    /// Seconds for one request when a package was published before it.
    fn seconds_after_publishes(
        &self,
        access: &Access,
        credentials: &Credentials,
        commits: u32,
    ) -> Result<f64> {
        let mut all = 0.0;
        for _ in 0..commits {
            let entry = self
                .entries
                .get(self.published.get())
                .ok_or("too few packages")?;
            self.published.set(self.published.get() + 1);
            let recorded = record(&self.metadata, self.owner, "bench", entry);
            self.runtime.block_on(recorded)?;
            all += self.seconds(access, credentials, 1, true)?;
        }
        Ok(all / f64::from(commits))
    }

    /// Seconds for one request when what is kept of the database's answers has to be asked for again.
    fn seconds_after_changes(
        &self,
        access: &Access,
        credentials: &Credentials,
        commits: u32,
    ) -> Result<f64> {
        let mut all = 0.0;
        for number in 0..commits {
            let visibility = if number.is_multiple_of(2) {
                Visibility::Limited
            } else {
                Visibility::Public
            };
            self.runtime.block_on(self.accounts.set_visibility(
                OwnerKind::User,
                &self.user,
                visibility,
                &Actor::SERVER,
            ))?;
            all += self.seconds(access, credentials, 1, true)?;
        }
        Ok(all / f64::from(commits))
    }
}

async fn ask(access: &Access, credentials: &Credentials, right: bool) -> Result<()> {
    let caller = access
        .authenticate(credentials, IpAddr::from([192, 0, 2, 1]))
        .await;
    match caller {
        Ok(Caller::User(_)) if right => Ok(()),
        Err(_) if !right => Ok(()),
        other => Err(format!("not the answer that was measured: {other:?}").into()),
    }
}

fn bearer(token: &str) -> Result<Credentials> {
    Ok(Credentials::parse(Some(
        format!("Bearer {token}").as_bytes(),
    ))?)
}

fn argon2_seconds() -> Result<f64> {
    let PasswordCost { memory, passes } = PasswordCost::default();
    let parameters = Params::new(memory, passes, 1, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut hash = [0; 32];
    let ((), seconds) = wall_seconds(|| {
        argon2.hash_password_into(PASSWORD.as_bytes(), b"salt of 16 bytes", &mut hash)?;
        Ok(())
    })?;
    std::hint::black_box(hash);
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_what_was_meant() {
        let folder = WorkFolder::new("access-test").unwrap();
        let setup = Setup::make(folder.path(), 2).unwrap();
        let access = setup.access().unwrap();
        let right = Credentials::parse(Some(BASIC)).unwrap();
        assert!(setup.seconds(&access, &right, 2, true).unwrap() > 0.0);
        assert!(setup.seconds(&access, &right, 1, false).is_err());
        let wrong = bearer("tarn_").unwrap();
        assert!(setup.seconds(&access, &wrong, 1, true).is_err());
        let token = bearer(&setup.token).unwrap();
        assert!(setup.seconds_after_publishes(&access, &token, 2).unwrap() > 0.0);
        assert!(setup.seconds_after_publishes(&access, &token, 1).is_err());
        assert!(setup.seconds_after_changes(&access, &token, 2).unwrap() > 0.0);
    }
}
