//! What it costs to find out who asks: [`Access::authenticate`] in this process, without a socket.

use std::{cell::RefCell, net::IpAddr, path::Path, sync::Arc};

use argon2::{Algorithm, Argon2, Params, Version};
use tarn_base::{clock::Clock, names::OwnerName, random::Random, sealer::Sealer, secret::Secret};
use tarn_core::{
    Resources,
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
    measure::{Samples, Seconds, mean, wall_seconds},
    report::{Row, Table},
    tools::WorkFolder,
};

const PASSWORD: &str = "correct horse";
/// `alice` with that password (RFC 7617).
const BASIC: &[u8] = b"Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==";
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
    /// What is not published yet.
    entries: RefCell<std::vec::IntoIter<Entry>>,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort) -> Result<Table> {
    let folder = WorkFolder::new("access")?;
    let calls: usize = if effort.quick { 1_000 } else { 20_000 };
    let commits = calls / 100;
    let setup = Setup::make(folder.path(), commits * effort.rounds)?;
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
        let mut bare = 0.0;
        first.push(mean(0..firsts, |_| {
            bare += argon2_seconds()?;
            // It remembers nothing yet.
            setup.seconds(&setup.access()?, &by_password, 1, true)
        })?);
        argon2.push(bare / firsts as f64);
        let access = setup.access()?;
        setup.seconds(&access, &by_password, 1, true)?;
        remembered.push(setup.seconds(&access, &by_password, calls, true)?);
        token.push(setup.seconds(&access, &by_token, calls, true)?);
        wrong_token.push(mean(0..calls / 10, |_| {
            // Another each time: nothing is known of it yet.
            let (unknown, _) = tokens::generate(&random)?;
            setup.seconds(&access, &bearer(unknown.expose())?, 1, false)
        })?);
        let publish = |_| setup.publish();
        let change = |number| setup.change(number);
        after_a_publish.push(setup.seconds_after(publish, &access, &by_token, commits)?);
        after_a_change.push(setup.seconds_after(change, &access, &by_token, commits)?);
        let seconds = setup.seconds_after(change, &access, &by_password, commits)?;
        password_after_a_change.push(seconds);
    }
    let row = |what, samples: &Samples, limit| {
        Row::of_number(what, "one microsecond", (samples, 1e-6), Seconds).at_most(limit)
    };
    let beside_argon2 = |what, samples: &Samples, limit| {
        Row::new(what, ARGON2, (samples, &argon2), Seconds).at_most(limit)
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
            beside_argon2("the first request with a password", &first, 1.2),
            row("a further request with that password", &remembered, 50.0),
            row(
                "a further request with that password after the account was changed",
                &password_after_a_change,
                50.0,
            ),
            row("a request with a token", &token, 100.0),
            row(
                "the first request with a token after a package was published",
                &after_a_publish,
                100.0,
            ),
            row(
                "the first request with a token after the account it belongs to was changed",
                &after_a_change,
                100.0,
            ),
            beside_argon2("a request with a token that nobody has", &wrong_token, 0.01),
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
            entries: RefCell::new(corpus::entries(packages, 51).into_iter()),
        })
    }

    /// What checks credentials in a server that was just started.
    fn access(&self) -> Result<Access> {
        let limits = AccessLimits::default();
        let resources = Resources {
            metadata: self.metadata.clone(),
            sealer: Arc::clone(&self.sealer),
            clock: Clock::system(),
            random: Random::system(),
        };
        let second_factors = SecondFactors::new(resources.clone(), &limits);
        Ok(Access::new(resources, limits, second_factors)?)
    }

    /// Seconds for one of `calls` requests with these credentials. `right` says how each has to end.
    fn seconds(
        &self,
        access: &Access,
        credentials: &Credentials,
        calls: usize,
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
        Ok(seconds / calls as f64)
    }

    /// Seconds for one request when something was done before it.
    fn seconds_after(
        &self,
        something: impl Fn(usize) -> Result<()>,
        access: &Access,
        credentials: &Credentials,
        commits: usize,
    ) -> Result<f64> {
        mean(0..commits, |number| {
            something(number)?;
            self.seconds(access, credentials, 1, true)
        })
    }

    /// Publishes a package.
    fn publish(&self) -> Result<()> {
        let entry = self.entries.borrow_mut().next();
        let entry = entry.ok_or("too few packages")?;
        let recorded = record(&self.metadata, self.owner, "bench", &entry);
        self.runtime.block_on(recorded)
    }

    /// Changes the account, so that what is kept of the database's answers has to be asked for again.
    fn change(&self, number: usize) -> Result<()> {
        let visibility = if number.is_multiple_of(2) {
            Visibility::Limited
        } else {
            Visibility::Public
        };
        let (user, by) = (&self.user, &Actor::SERVER);
        let accounts = &self.accounts;
        let changed = accounts.set_visibility(OwnerKind::User, user, visibility, by);
        self.runtime.block_on(changed)?;
        Ok(())
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
        let publish = |_| setup.publish();
        let seconds = |commits| setup.seconds_after(publish, &access, &token, commits);
        assert!(seconds(2).unwrap() > 0.0);
        assert!(seconds(1).is_err());
        let change = |number| setup.change(number);
        let seconds = setup.seconds_after(change, &access, &token, 2);
        assert!(seconds.unwrap() > 0.0);
    }
}
