//! What the first run of `tarn serve` says: who you are, and what to type next.

use std::path::Path;

use apk::sign::KeyName;
use tarn_core::access::FirstRun;
use tarn_http::fetch_command;

/// The welcome, with commands that can be copied as they are. It comes in two parts, for the password is shown once, and the key
/// takes a while to make.
pub(crate) struct Welcome<'a> {
    /// The account that was made.
    pub(crate) first_run: &'a FirstRun,
    /// How this program was called, so that its next command can be copied too.
    pub(crate) program: String,
    /// Where the registry is.
    pub(crate) data_dir: &'a Path,
    /// The URL clients use, without a final `/`.
    pub(crate) base_url: String,
}

impl Welcome<'_> {
    /// Who the reader is.
    pub(crate) fn account(&self) -> String {
        let user = self.first_run.user;
        let (program, folder) = (&self.program, self.data_dir.display());
        let password = if self.first_run.generated {
            let password = self.first_run.password.expose();
            format!(
                "{password}   (shown this once; change it: \
                 {program} user password {user} --data-dir {folder})"
            )
        } else {
            "the one in TARN_ADMIN_PASSWORD".to_owned()
        };
        format!(
            "Welcome to Tarn. There is a new registry in {folder}, with one account:\n\
             \n\
             \x20 user      {user}\n\
             \x20 password  {password}\n\
             \n"
        )
    }

    /// What to type next. `key` is the file name of the key that signs the account's indexes, if it could be made.
    pub(crate) fn commands(&self, key: Option<&KeyName>) -> String {
        let user = self.first_run.user;
        let (program, folder) = (&self.program, self.data_dir.display());
        let alpine = format!("{}/api/packages/{user}/alpine", self.base_url);
        // Without a generated password the shell that sets the variable can fill it in; it is not shown here.
        let credentials = if self.first_run.generated {
            format!("{user}:{}", self.first_run.password.expose())
        } else {
            format!("\"{user}:$TARN_ADMIN_PASSWORD\"")
        };
        let fetch_key = match key {
            Some(key) => fetch_command(&self.base_url, user, key),
            None => format!(
                "wget -O /etc/apk/keys/NAME {alpine}/NAME   (for NAME: {program} key list {user} --data-dir {folder})"
            ),
        };
        format!(
            "The first command publishes a package; the others install it, as root on an Alpine client:\n\
             \n\
             \x20 curl -sS --fail-with-body --user {credentials} --upload-file hello-1.0-r0.apk {alpine}/v3.23/main\n\
             \x20 {fetch_key}\n\
             \x20 echo {alpine}/v3.23/main >> /etc/apk/repositories && apk add --update-cache hello\n\
             \n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tarn_base::secret::Secret;

    fn welcome(generated: bool) -> String {
        let key = KeyName::parse("admin@5f3c.rsa.pub").ok();
        let welcome = Welcome {
            first_run: &FirstRun {
                user: "admin",
                password: Secret::new("hunter2hunter2".to_owned()),
                generated,
            },
            program: "target/release/tarn".to_owned(),
            data_dir: Path::new("./tarn-data"),
            base_url: "https://packages.example.org".to_owned(),
        };
        welcome.account() + &welcome.commands(key.as_ref())
    }

    #[test]
    fn a_generated_password_is_shown_and_filled_in() {
        let text = welcome(true);
        assert_eq!(text.matches("hunter2hunter2").count(), 2, "{text}");
        assert!(text.contains(": target/release/tarn user password admin "));
        assert!(text.contains(
            "  curl -sS --fail-with-body --user admin:hunter2hunter2 --upload-file hello-1.0-r0.apk \
             https://packages.example.org/api/packages/admin/alpine/v3.23/main\n"
        ));
        assert!(text.contains(
            "  wget -O /etc/apk/keys/admin@5f3c.rsa.pub \
             https://packages.example.org/api/packages/admin/alpine/admin@5f3c.rsa.pub\n"
        ));
    }

    #[test]
    fn a_given_password_is_not_shown() {
        let text = welcome(false);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("--user \"admin:$TARN_ADMIN_PASSWORD\" "),
            "{text}"
        );
    }
}
