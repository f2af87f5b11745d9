//! `.netrc`: which user name and password are for which machine.
//!
//! The format is that of inetutils' `.netrc` as curl reads it: words apart by spaces and line feeds, quoted where they hold
//! some; `macdef` runs up to an empty line; `#` begins a comment where a word would begin.

use tarn_base::secret::Secret;

/// The login and the password for `host`, or those of `default`.
pub(super) fn look_up(text: &str, host: &str) -> Option<(String, Secret)> {
    let mut words = Words(text).peekable();
    while let Some(word) = words.next() {
        let applies = match word.as_str() {
            "machine" => words.next()?.eq_ignore_ascii_case(host),
            "default" => true,
            _ => continue,
        };
        let (mut login, mut password) = (String::new(), None);
        while let Some(key) = words.next_if(|word| !matches!(word.as_str(), "machine" | "default"))
        {
            match key.as_str() {
                "login" => login = words.next()?,
                "password" => password = Some(Secret::new(words.next()?)),
                "account" => drop(words.next()),
                _ => {}
            }
        }
        if let (true, Some(password)) = (applies, password) {
            return Some((login, password));
        }
    }
    None
}

/// The words of the file, macros and comments left out.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.0 = self.0.trim_start();
            if self.0.starts_with('#') {
                self.0 = self.0.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            let word = if let Some(quoted) = self.0.strip_prefix('"') {
                self.quoted(quoted)
            } else {
                let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
                let (word, rest) = self.0.split_at(end);
                self.0 = rest;
                word.to_owned()
            };
            match word.as_str() {
                "" => return None,
                "macdef" => self.0 = self.0.split_once("\n\n").map_or("", |(_, rest)| rest),
                _ => return Some(word),
            }
        }
    }
}

impl<'a> Words<'a> {
    /// A word up to the next `"`; a backslash takes what follows as it is.
    fn quoted(&mut self, text: &'a str) -> String {
        let (mut word, mut characters) = (String::new(), text.chars());
        while let Some(character) = characters.next() {
            match character {
                '"' => break,
                '\\' => word.extend(characters.next()),
                other => word.push(other),
            }
        }
        self.0 = characters.as_str();
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str) -> Option<(String, String)> {
        look_up(text, host).map(|(login, password)| (login, password.expose().to_owned()))
    }

    const FILE: &str = "# mine\nmachine a.example.org login alice password s3cret\n\
        macdef init\ncd /pub machine h password no\n\nmachine B.example.org\n  login bob\n  account x\n  password \"two words \\\"q\\\"\"\n\
        machine nopass login c\ndefault login anonymous password guest\n";

    #[test]
    fn a_machine_has_its_login_and_password() {
        let pair = |login: &str, password: &str| Some((login.to_owned(), password.to_owned()));
        assert_eq!(found(FILE, "a.example.org"), pair("alice", "s3cret"));
        assert_eq!(found(FILE, "b.example.org"), pair("bob", "two words \"q\""));
        assert_eq!(found(FILE, "nopass"), pair("anonymous", "guest"));
        assert_eq!(found(FILE, "h"), pair("anonymous", "guest"));
    }

    #[test]
    fn nothing_is_made_up() {
        for text in [
            "",
            "machine",
            "machine h login",
            "machine other login a password b",
            "\"",
            "macdef x\nmachine h password p",
        ] {
            assert_eq!(found(text, "h"), None, "{text}");
        }
    }
}
