//! Who signs in with a browser: the password, the code where there is one, and from then on the cookie of a session.

use super::{Access, AuthError, by_password::actor};
use crate::access::{
    caller::{By, Caller, SignedIn},
    code::Code,
    sessions::{Browser, Sessions, SignIn},
};
use tarn_base::secret::Secret;
use tarn_store::metadata::{Session, User};

impl Access {
    /// The sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Begins a session with a name and a password, behind the same slow-down as everywhere; or asks for the code that is
    /// missing.
    ///
    /// # Errors
    ///
    /// As for [`Access::authenticate`].
    pub async fn sign_in(
        &self,
        name: &str,
        password: &Secret,
        browser: &Browser<'_>,
    ) -> Result<SignIn, AuthError> {
        let user = self.password_of(name, password, browser.address).await?;
        match self.ask_for_code(&user, None, browser.address).await {
            Ok(()) => Ok(SignIn::Done(self.begin_session(&user, browser).await?)),
            Err(AuthError::CodeNeeded) => Ok(SignIn::CodeNeeded(self.sessions.note_of(&user))),
            Err(error) => Err(error),
        }
    }

    /// Begins a session with the code that was missing, of the generator or for recovery. `note` is what
    /// [`SignIn::CodeNeeded`] gave.
    ///
    /// # Errors
    ///
    /// [`AuthError::BeginAgain`] when the note is too old, or the credentials changed since; as for [`Access::authenticate`].
    pub async fn sign_in_with_code(
        &self,
        note: &str,
        code: &Code,
        browser: &Browser<'_>,
    ) -> Result<Secret, AuthError> {
        let (id, version) = self.sessions.read_note(note).ok_or(AuthError::BeginAgain)?;
        let user = self.metadata.user_by_id(id).await?;
        let same = |user: &User| user.credential_version == version;
        let user = user.filter(same).ok_or(AuthError::BeginAgain)?;
        if user.disabled {
            return Err(AuthError::Disabled);
        }
        self.ask_for_code(&user, Some(code), browser.address)
            .await?;
        self.begin_session(&user, browser).await
    }

    /// Begins another session for the browser in which a user just changed what they sign in with: the one in which they did
    /// counts no more.
    ///
    /// # Errors
    ///
    /// When the account is gone or disabled, or the database does not answer.
    pub async fn sign_in_again(
        &self,
        session: &Session,
        browser: &Browser<'_>,
    ) -> Result<Secret, AuthError> {
        let user = self.metadata.user_by_id(session.user).await?;
        let user = user.ok_or(AuthError::WrongCredentials)?;
        if user.disabled {
            return Err(AuthError::Disabled);
        }
        self.begin_session(&user, browser).await
    }

    /// Takes the password of a user who is signed in once more: for a while the session counts as fresh.
    ///
    /// # Errors
    ///
    /// As for [`Access::authenticate`]; [`AuthError::BeginAgain`] when the session has ended meanwhile.
    pub async fn confirm_password(
        &self,
        session: &Session,
        name: &str,
        password: &Secret,
        browser: &Browser<'_>,
    ) -> Result<(), AuthError> {
        let user = self.password_of(name, password, browser.address).await?;
        if user.id != session.user {
            return Err(AuthError::WrongCredentials);
        }
        let by = actor(&user, browser.address);
        if self.sessions.prove(session.id, &by).await? {
            Ok(())
        } else {
            Err(AuthError::BeginAgain)
        }
    }

    /// Whose session a cookie is of. One that counts no more is that of a caller who is not signed in.
    pub(super) async fn by_session(&self, secret: &str) -> Result<Caller, AuthError> {
        Ok(match self.sessions.of_cookie(secret).await? {
            None => Caller::Anonymous,
            Some((session, user)) => Caller::User(SignedIn {
                user,
                by: By::Session(session),
            }),
        })
    }

    async fn begin_session(&self, user: &User, browser: &Browser<'_>) -> Result<Secret, AuthError> {
        let secret = self.sessions.new_secret().map_err(AuthError::Session)?;
        let by = actor(user, browser.address);
        self.sessions.begin(&secret, user, browser, &by).await?;
        Ok(secret)
    }
}
