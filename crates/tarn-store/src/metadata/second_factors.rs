//! Second factors: the sealed secret of a code generator for each user, which of its codes are used up, and the recovery codes.

use super::{
    Act, Metadata, MetadataError, OwnerId,
    audit::Done,
    engine::{Transaction, sql},
    rows::{row, select},
};
use tarn_base::clock::Timestamp;

row! {
    /// A user's second factor, begun or in force.
    #[derive(Clone, PartialEq, Eq)]
    pub struct SecondFactor as factor_columns {
        /// The secret, encrypted. Each beginning seals it anew, so it names the enrolment as well.
        pub sealed: Vec<u8> = second_factors.sealed,
        /// Since when a code is asked for. `None`: it was begun and is not in force.
        pub confirmed_at: Option<Timestamp> = second_factors.confirmed_at,
        /// Wrong codes since the last right one.
        pub wrong_codes: u32 = second_factors.wrong_codes,
        /// When the last of them came.
        pub last_wrong_at: Timestamp = second_factors.last_wrong_at,
    }
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondFactor")
            .field("confirmed_at", &self.confirmed_at)
            .field("wrong_codes", &self.wrong_codes)
            .finish_non_exhaustive()
    }
}

/// What a code that was sent turned out to be, before the database is asked whether it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeClaim<'a> {
    /// That of this step of the generator (RFC 6238, section 4.2).
    Step(i64),
    /// A recovery code, by its hash.
    Recovery(&'a [u8; 32]),
    /// None of the generator's.
    Wrong,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOutcome {
    /// It was right, and is used up now.
    Taken,
    /// It was wrong, or used up already. It is counted.
    Refused,
    /// There were too many wrong ones: it was neither looked at nor counted.
    TooEarly,
    /// The factor is not the one any more that the code was compared with.
    Gone,
}

const SELECT: &str = select!(factor_columns, "FROM second_factors WHERE user_id = $1");

impl Metadata {
    /// The second factor of a user, begun or in force.
    pub async fn second_factor(
        &self,
        user: OwnerId,
    ) -> Result<Option<SecondFactor>, MetadataError> {
        let ask = async |user: &OwnerId| self.engine.look_up(sql!(SELECT, *user)).await;
        self.memory.second_factors.get(user, ask).await
    }

    /// How many recovery codes of a user are left.
    pub async fn recovery_codes_left(&self, user: OwnerId) -> Result<u64, MetadataError> {
        self.count(sql!(
            "SELECT COUNT(*) AS count FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL",
            user
        ))
        .await
    }

    /// Keeps a secret that is not in force yet, in place of another such. `false` when one is in force.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such user; when the database fails.
    pub async fn begin_second_factor(
        &self,
        user: OwnerId,
        sealed: &[u8],
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        // What was counted stays: beginning again gives no further guesses.
        let begun = transaction
            .run(sql!(
                "INSERT INTO second_factors (user_id, sealed, created_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at \
                 WHERE second_factors.confirmed_at IS NULL",
                user,
                sealed,
                act.at
            ))
            .await
            .map_err(|error| error.or_missing("user"))?;
        if begun == 0 {
            return Ok(false);
        }
        note(&mut transaction, act, user, "factor.begin").await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Puts the secret that was begun in force, by the code of `claim`, with these recovery codes in the place of any
    /// others. What was verified before counts no more. `wait` says for how long after the last of so many wrong codes none is
    /// looked at.
    pub async fn confirm_second_factor(
        &self,
        user: OwnerId,
        begun: &SecondFactor,
        claim: CodeClaim<'_>,
        recovery: &[[u8; 32]],
        act: &Act<'_>,
        wait: impl Fn(&SecondFactor) -> bool,
    ) -> Result<CodeOutcome, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let outcome = use_code(&mut transaction, user, begun, claim, act, wait).await?;
        if outcome == CodeOutcome::Taken {
            let statement = sql!(
                "UPDATE second_factors SET confirmed_at = $2 WHERE user_id = $1 AND confirmed_at IS NULL",
                user,
                act.at
            );
            transaction.run_one("second factor", statement).await?;
            replace_recovery_codes(&mut transaction, user, recovery).await?;
            forget_verified(&mut transaction, user).await?;
            note(&mut transaction, act, user, "factor.enable").await?;
        }
        transaction.commit().await?;
        Ok(outcome)
    }

    /// Uses a code up, in one step with finding out whether it may still be used: of two requests with one code, one gets
    /// [`CodeOutcome::Taken`]. `factor` is the one that the code was compared with.
    pub async fn use_code(
        &self,
        user: OwnerId,
        factor: &SecondFactor,
        claim: CodeClaim<'_>,
        act: &Act<'_>,
        wait: impl Fn(&SecondFactor) -> bool,
    ) -> Result<CodeOutcome, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let outcome = use_code(&mut transaction, user, factor, claim, act, wait).await?;
        transaction.commit().await?;
        Ok(outcome)
    }

    /// Takes a user's second factor away, and the recovery codes with it: one that was begun, or with `in_force` whatever there
    /// is. What was verified before counts no more. `false` when there was none such.
    pub async fn remove_second_factor(
        &self,
        user: OwnerId,
        in_force: bool,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let removed = transaction
            .run(sql!(
                "DELETE FROM second_factors WHERE user_id = $1 AND ($2 = TRUE OR confirmed_at IS NULL)",
                user,
                in_force
            ))
            .await?;
        if removed == 0 {
            return Ok(false);
        }
        forget_verified(&mut transaction, user).await?;
        note(&mut transaction, act, user, "factor.disable").await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Puts new recovery codes in the place of the old ones, used or not. `false` when no second factor is in force.
    pub async fn renew_recovery_codes(
        &self,
        user: OwnerId,
        recovery: &[[u8; 32]],
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let factor: Option<SecondFactor> = transaction.row(sql!(SELECT, user)).await?;
        if factor.and_then(|factor| factor.confirmed_at).is_none() {
            return Ok(false);
        }
        replace_recovery_codes(&mut transaction, user, recovery).await?;
        forget_verified(&mut transaction, user).await?;
        note(&mut transaction, act, user, "recovery-codes.renew").await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn use_code(
    transaction: &mut Transaction,
    user: OwnerId,
    factor: &SecondFactor,
    claim: CodeClaim<'_>,
    act: &Act<'_>,
    wait: impl Fn(&SecondFactor) -> bool,
) -> Result<CodeOutcome, MetadataError> {
    let current: Option<SecondFactor> = transaction.row(sql!(SELECT, user)).await?;
    let Some(current) = current else {
        return Ok(CodeOutcome::Gone);
    };
    if current.sealed != factor.sealed || current.confirmed_at != factor.confirmed_at {
        return Ok(CodeOutcome::Gone);
    }
    if wait(&current) {
        return Ok(CodeOutcome::TooEarly);
    }
    let used = match claim {
        CodeClaim::Wrong => 0,
        CodeClaim::Step(step) => {
            transaction
                .run(sql!(
                    "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2",
                    user,
                    step
                ))
                .await?
        }
        CodeClaim::Recovery(hash) => {
            transaction
                .run(sql!(
                    "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL",
                    user,
                    hash,
                    act.at
                ))
                .await?
        }
    };
    if used == 0 {
        let statement = sql!(
            "UPDATE second_factors SET wrong_codes = wrong_codes + 1, last_wrong_at = $2 WHERE user_id = $1",
            user,
            act.at
        );
        transaction.run_one("second factor", statement).await?;
        return Ok(CodeOutcome::Refused);
    }
    let statement = sql!(
        "UPDATE second_factors SET wrong_codes = 0 WHERE user_id = $1",
        user
    );
    transaction.run_one("second factor", statement).await?;
    if matches!(claim, CodeClaim::Recovery(_)) {
        note(transaction, act, user, "recovery-code.use").await?;
    }
    Ok(CodeOutcome::Taken)
}

async fn replace_recovery_codes(
    transaction: &mut Transaction,
    user: OwnerId,
    recovery: &[[u8; 32]],
) -> Result<(), MetadataError> {
    transaction
        .run(sql!("DELETE FROM recovery_codes WHERE user_id = $1", user))
        .await?;
    for hash in recovery {
        let one = sql!(
            "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)",
            user,
            hash
        );
        transaction.run_one("recovery code", one).await?;
    }
    Ok(())
}

/// Passwords that were remembered as right are so no more.
async fn forget_verified(
    transaction: &mut Transaction,
    user: OwnerId,
) -> Result<(), MetadataError> {
    let statement = sql!(
        "UPDATE users SET credential_version = credential_version + 1 WHERE owner_id = $1",
        user
    );
    transaction.run_one("user", statement).await
}

async fn note(
    transaction: &mut Transaction,
    act: &Act<'_>,
    user: OwnerId,
    action: &'static str,
) -> Result<(), MetadataError> {
    let done = Done::of(user, action, "second factor");
    transaction.note(act, done).await
}
