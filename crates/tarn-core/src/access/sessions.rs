//! Sessions: what keeps a browser signed in.
//!
//! The cookie holds a secret of 256 random bits, of which the database has the SHA-256. Each use moves the end of the session
//! ahead, up to a bound. A session counts only with the credentials that it began with: another password, another second factor or
//! a disabled account ends all sessions of the user at once, in every process.
//!
//! Between the password and the code the browser holds a note that this server signed: nothing is stored for a sign-in
//! that is not complete.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};

use super::{
    recent::Recent,
    tokens::{ALPHABET, RANDOM_CHARACTERS},
};
use crate::resources::Resources;
use tarn_base::{clock::Timestamp, printable::is_printable, random::RandomError, secret::Secret};
use tarn_store::metadata::{Actor, MetadataError, NewSession, OwnerId, Session, SessionId, User};

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// A session that is not used for this long ends.
    pub idle: Duration,
    /// Every session ends after this long.
    pub longest: Duration,
    /// For how long a password that was given counts as given just now.
    pub fresh: Duration,
    /// How long the code may come after the password.
    pub code_within: Duration,
    /// How often at most the last use of a session is written down.
    pub use_interval: Duration,
    /// How many sessions a user may have. One more ends the one that was used longest ago.
    pub of_user: u32,
    /// Of how many sessions the last use is remembered in memory.
    pub remembered: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7 * 86_400),
            longest: Duration::from_secs(30 * 86_400),
            fresh: Duration::from_secs(10 * 60),
            code_within: Duration::from_secs(10 * 60),
            use_interval: Duration::from_secs(10 * 60),
            of_user: 50,
            remembered: 10_000,
        }
    }
}

/// The longest name of a browser that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// A browser, as its request shows it.
#[derive(Debug, Clone, Copy)]
pub struct Browser<'a> {
    /// Where the request comes from.
    pub address: IpAddr,
    /// What it calls itself (`User-Agent`); empty when it says nothing.
    pub agent: &'a str,
}

/// How far a sign-in got.
#[derive(Debug)]
pub enum SignIn {
    /// All the way: the secret of the session, for the cookie. It is kept nowhere.
    Done(Secret),
    /// The password is right, and the code of the second factor is missing. The browser brings this back with it.
    CodeNeeded(Secret),
}

/// The sessions of users. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    resources: Resources,
    limits: SessionLimits,
    /// Signs what a browser holds between the password and the code. The same in every process with one sealing key.
    key: hmac::Key,
    uses: Arc<Mutex<Recent<SessionId, Timestamp>>>,
}

impl Sessions {
    pub(super) fn new(resources: Resources, limits: SessionLimits) -> Self {
        Self {
            key: resources.sealer.hash_key("begun sign-in"),
            resources,
            uses: Arc::new(Mutex::new(Recent::new(limits.remembered))),
            limits,
        }
    }

    /// The sessions of a user that count now, the one that was used last first.
    pub async fn list(&self, user: OwnerId) -> Result<Vec<Session>, MetadataError> {
        self.resources
            .metadata
            .sessions(user, self.resources.clock.now())
            .await
    }

    /// Ends a session of a user: its next request is anonymous, whichever process it asks. Whether there was one.
    pub async fn end(
        &self,
        user: OwnerId,
        session: SessionId,
        by: &Actor,
    ) -> Result<bool, MetadataError> {
        let act = self.resources.act(by);
        self.resources
            .metadata
            .end_session(user, session, &act)
            .await
    }

    /// Ends all sessions of a user but the one of `keep`. Gives how many ended.
    pub async fn end_others(
        &self,
        user: OwnerId,
        keep: Option<SessionId>,
        by: &Actor,
    ) -> Result<u64, MetadataError> {
        let act = self.resources.act(by);
        self.resources.metadata.end_sessions(user, keep, &act).await
    }

    /// Whether the password was given lately enough for what must not be done in a browser that was left unattended.
    pub fn is_fresh(&self, session: &Session) -> bool {
        self.resources.clock.now().since(session.proved_at) < self.limits.fresh
    }

    /// For how long a browser that is not used keeps its cookie: as long as the session may last unused.
    pub const fn idle(&self) -> Duration {
        self.limits.idle
    }

    /// A secret for a session that is to begin.
    pub(super) fn new_secret(&self) -> Result<Secret, RandomError> {
        let text = self.resources.random.text(ALPHABET, RANDOM_CHARACTERS)?;
        Ok(Secret::new(text))
    }

    /// Begins a session, with that secret, of a user who has shown who they are.
    pub(super) async fn begin(
        &self,
        secret: &Secret,
        user: &User,
        browser: &Browser<'_>,
        by: &Actor,
    ) -> Result<(), MetadataError> {
        let now = self.resources.clock.now();
        let agent: String = browser
            .agent
            .chars()
            .filter(|character| is_printable(*character))
            .take(LONGEST_AGENT)
            .collect();
        let new = NewSession {
            user: user.id,
            credential_version: user.credential_version,
            hash: &hash(secret.expose()),
            expires_at: now.after(self.limits.idle),
            address: &browser.address.to_string(),
            agent: &agent,
            at_most: self.limits.of_user,
        };
        let act = by.at(now);
        self.resources
            .metadata
            .add_session(new, &act)
            .await
            .map(drop)
    }

    /// The session of a cookie, with its user, if it counts now. That it is used is noted, now and then, behind the request.
    pub(super) async fn of_cookie(
        &self,
        secret: &str,
    ) -> Result<Option<(Session, User)>, MetadataError> {
        if secret.len() != RANDOM_CHARACTERS || !secret.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let found = self.resources.metadata.session(&hash(secret)).await?;
        let now = self.resources.clock.now();
        let counts = |(session, user): &(Session, User)| session.expires_at > now && !user.disabled;
        let found = found.filter(counts);
        if let Some((session, _)) = &found {
            self.note_use(session, now);
        }
        Ok(found)
    }

    /// Notes that the password of the user of `session` was given once more.
    pub(super) async fn prove(
        &self,
        session: SessionId,
        by: &Actor,
    ) -> Result<bool, MetadataError> {
        let act = self.resources.act(by);
        self.resources.metadata.prove_session(session, &act).await
    }

    fn note_use(&self, session: &Session, now: Timestamp) {
        let lately = |at: Timestamp| now.since(at) < self.limits.use_interval;
        if lately(session.last_used_at) {
            return;
        }
        {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            if uses.entry(&session.id).copied().is_some_and(lately) {
                return;
            }
            uses.insert(session.id, now);
        }
        let end = session.created_at.after(self.limits.longest);
        let expires_at = now.after(self.limits.idle).min(end);
        let (metadata, id) = (self.resources.metadata.clone(), session.id);
        tokio::spawn(async move {
            if let Err(error) = metadata.touch_session(id, now, expires_at).await {
                tracing::warn!(%error, "the last use of a session was not written down");
            }
        });
    }

    /// What a browser holds whose user has shown the password and not the code: who, with which credentials, until when, and a
    /// signature over that.
    pub(super) fn note_of(&self, user: &User) -> Secret {
        let until = self
            .resources
            .clock
            .now()
            .after(self.limits.code_within)
            .seconds();
        let text = format!("{}.{}.{until}", user.id, user.credential_version);
        let signature = HEXLOWER.encode(hmac::sign(&self.key, text.as_bytes()).as_ref());
        Secret::new(format!("{text}.{signature}"))
    }

    /// Whose note this is, and the version of the credentials that were shown. `None` when it is too old or not of this server.
    pub(super) fn read_note(&self, note: &str) -> Option<(OwnerId, i64)> {
        let (text, signature) = note.rsplit_once('.')?;
        let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok()?;
        hmac::verify(&self.key, text.as_bytes(), &signature).ok()?;
        let mut numbers = text.split('.').map(|number| number.parse::<i64>().ok());
        let (user, version, until) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let counts = numbers.next().is_none() && self.resources.clock.now().seconds() < until;
        counts.then_some((OwnerId::from_row(user), version))
    }
}

/// What is kept of a secret. Its 256 random bits cannot be tried out, so a plain hash is enough.
fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
