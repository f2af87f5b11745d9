//! Sessions: the browsers in which a user signed in. The secret of the cookie is never here, only its SHA-256.
//!
//! A session carries the version of the user's credentials that was checked when it began. When the user's own moves on (another
//! password, another second factor, the account disabled), the session no longer counts, in the same transaction and without a
//! statement about it; its row is deleted later.

use super::{
    Act, Metadata, MetadataError, OwnerId, SessionId, User,
    audit::Done,
    engine::sql,
    rows::{row, select},
    users::user_columns,
};
use tarn_base::clock::Timestamp;

row! {
    /// A session, without its secret.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Session as session_columns {
        /// Which one.
        pub id: SessionId = sessions.id,
        /// Whose.
        pub user: OwnerId = sessions.user_id,
        /// When it began.
        pub created_at: Timestamp = sessions.created_at,
        /// When it was last used, roughly.
        pub last_used_at: Timestamp = sessions.last_used_at,
        /// When it ends unless it is used before.
        pub expires_at: Timestamp = sessions.expires_at,
        /// When the password was last given.
        pub proved_at: Timestamp = sessions.proved_at,
        /// Where it began.
        pub address: String = sessions.address,
        /// What the browser called itself then.
        pub agent: String = sessions.agent,
    }
}

/// A session that begins.
#[derive(Clone, Copy)]
pub struct NewSession<'a> {
    /// Whose.
    pub user: OwnerId,
    /// The version of the user's credentials that was checked.
    pub credential_version: i64,
    /// SHA-256 of the secret.
    pub hash: &'a [u8; 32],
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
    /// Where it begins.
    pub address: &'a str,
    /// What the browser calls itself.
    pub agent: &'a str,
    /// How many sessions a user may have.
    pub at_most: u32,
}

impl Metadata {
    /// Keeps a session. The user's sessions that no longer count go, and the ones that were used longest ago where there would
    /// be more than a user may have.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such user; when the database fails.
    pub async fn add_session(
        &self,
        new: NewSession<'_>,
        act: &Act<'_>,
    ) -> Result<SessionId, MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction
            .run(sql!(
                "DELETE FROM sessions WHERE user_id = $1 AND (expires_at <= $2 OR credential_version <> $3)",
                new.user,
                act.at,
                new.credential_version
            ))
            .await?;
        transaction
            .run(sql!(
                "DELETE FROM sessions WHERE id IN \
                 (SELECT id FROM sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id DESC LIMIT 1000 OFFSET $2)",
                new.user,
                new.at_most.saturating_sub(1)
            ))
            .await?;
        let id: SessionId = transaction
            .row(sql!(
                "INSERT INTO sessions (hash, user_id, credential_version, created_at, last_used_at, expires_at, proved_at, \
                 address, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
                new.hash,
                new.user,
                new.credential_version,
                act.at,
                act.at,
                new.expires_at,
                act.at,
                new.address,
                new.agent
            ))
            .await
            .map_err(|error| error.or_missing("user"))?
            .ok_or(MetadataError::Missing("session"))?;
        let target = id.to_string();
        let done = Done::of(new.user, "session.add", &target).with(Some(new.agent));
        transaction.note_and_commit(act, done).await?;
        Ok(id)
    }

    /// The session with that SHA-256 and its user, if the user's credentials are still those with which it began. Whether it has
    /// expired, or the user is disabled, is for the caller to see.
    pub async fn session(&self, hash: &[u8; 32]) -> Result<Option<(Session, User)>, MetadataError> {
        let ask = async |hash: &[u8; 32]| {
            self.engine
                .look_up(sql!(
                    select!(
                        session_columns,
                        ", ",
                        user_columns!(),
                        " FROM sessions JOIN owners ON owners.id = sessions.user_id \
                         JOIN users ON users.owner_id = sessions.user_id \
                         WHERE sessions.hash = $1 AND users.credential_version = sessions.credential_version"
                    ),
                    hash
                ))
                .await
        };
        self.memory.sessions.get(*hash, ask).await
    }

    /// The sessions of a user that count at that moment, the one that was used last first.
    pub async fn sessions(
        &self,
        user: OwnerId,
        now: Timestamp,
    ) -> Result<Vec<Session>, MetadataError> {
        self.engine
            .rows(sql!(
                select!(
                    session_columns,
                    "FROM sessions JOIN users ON users.owner_id = sessions.user_id \
                     WHERE sessions.user_id = $1 AND sessions.expires_at > $2 \
                     AND users.credential_version = sessions.credential_version \
                     ORDER BY sessions.last_used_at DESC, sessions.id DESC"
                ),
                user,
                now
            ))
            .await
    }

    /// Ends a session of a user, which counts no more from then on. `false` when there was none.
    pub async fn end_session(
        &self,
        user: OwnerId,
        session: SessionId,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let ended = transaction
            .run(sql!(
                "DELETE FROM sessions WHERE user_id = $1 AND id = $2",
                user,
                session
            ))
            .await?;
        if ended == 0 {
            return Ok(false);
        }
        let target = session.to_string();
        let done = Done::of(user, "session.end", &target);
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// Ends the sessions of a user, all but the one of `keep`. Gives how many ended.
    pub async fn end_sessions(
        &self,
        user: OwnerId,
        keep: Option<SessionId>,
        act: &Act<'_>,
    ) -> Result<u64, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let ended = transaction
            .run(sql!(
                "DELETE FROM sessions WHERE user_id = $1 AND id <> $2",
                user,
                // No session has this number.
                keep.map_or(0, SessionId::number)
            ))
            .await?;
        if ended == 0 {
            return Ok(0);
        }
        let detail = format!("{ended} at once");
        let done = Done::of(user, "session.end", "").with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
        Ok(ended)
    }

    /// Notes that a session was used, and when it ends now. Nothing happens to one that has ended meanwhile, or was used later.
    pub async fn touch_session(
        &self,
        session: SessionId,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "UPDATE sessions SET last_used_at = $2, expires_at = $3 WHERE id = $1 AND last_used_at < $2",
            session,
            at,
            expires_at
        );
        self.engine.run(statement).await.map(drop)
    }

    /// Notes that the password was given once more. `false` when the session has ended meanwhile.
    pub async fn prove_session(
        &self,
        session: SessionId,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let user = transaction
            .row(sql!(
                "UPDATE sessions SET proved_at = $2 WHERE id = $1 RETURNING user_id",
                session,
                act.at
            ))
            .await?;
        let Some(user) = user else { return Ok(false) };
        let target = session.to_string();
        let done = Done::of(user, "session.confirm", &target);
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// Deletes sessions that expired before `end`, at most `most`. They counted no more anyway, so nothing is written down.
    /// Gives how many went.
    pub async fn forget_expired_sessions(
        &self,
        end: Timestamp,
        most: u32,
    ) -> Result<u64, MetadataError> {
        let statement = sql!(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)",
            end,
            most
        );
        self.engine.run(statement).await
    }
}
