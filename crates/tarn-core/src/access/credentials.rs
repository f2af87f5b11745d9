//! The `Authorization` header, parsed once.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    code::{Code, NotACode},
    passwords::MAX_SECRET,
    tokens::{self, BESIDE_TOKEN},
};
use tarn_base::hint::Hint;
use tarn_base::secret::Secret;

/// The longest header value that is looked at, in bytes.
const MAX_HEADER: usize = 4096;
/// The longest user name, in bytes: a token may stand there.
const MAX_USER: usize = 255;

/// Why an `Authorization` header was refused. The text is fit for the person who sent it, and holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Longer than anything that could be right.
    #[error("the Authorization header is too long")]
    TooLong,
    /// It is not known which of them is meant.
    #[error("there is more than one Authorization header")]
    Several,
    /// Neither Basic nor Bearer nor token.
    #[error("the Authorization header has a scheme this server does not know")]
    UnknownScheme,
    /// A scheme and nothing after it, or spaces inside a token.
    #[error("the Authorization header holds no credentials after its scheme")]
    NoCredentials,
    /// What follows `Basic` cannot be decoded.
    #[error("the Basic credentials are not the base64 of `user:password` in UTF-8")]
    NotBasic,
    /// It begins like a token, and its length or its checksum is not right.
    #[error("the token is cut off or mistyped")]
    MistypedToken,
    /// It is not known which of them is meant.
    #[error("X-Gitea-OTP and X-Forgejo-OTP hold different codes")]
    SeveralCodes,
    /// The code beside the password has not the form of one.
    #[error(transparent)]
    NotACode(#[from] NotACode),
}

/// What a request says about who sent it. Nothing of it has been checked yet.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// No `Authorization` header at all.
    None,
    /// A user name and a password, either of which may be a token (RFC 7617).
    Basic {
        /// What stands before the first colon; may be empty.
        user: String,
        /// What stands after it; may be empty.
        password: Secret,
        /// The code of a second factor, from a header of its own.
        code: Option<Code>,
    },
    /// A token by itself: `Bearer TOKEN` (RFC 6750) or `token TOKEN`.
    Token(Secret),
    /// The secret of a session, from the cookie of a browser. Only the pages take it.
    Session(Secret),
}

impl Credentials {
    /// Parses the value of the `Authorization` header, or its absence. The scheme is taken in any case.
    ///
    /// # Errors
    ///
    /// When a header is there and is not one of the known forms, or is longer than anything that could be right.
    pub fn parse(header: Option<&[u8]>) -> Result<Self, CredentialsError> {
        let Some(header) = header else {
            return Ok(Self::None);
        };
        if header.len() > MAX_HEADER {
            return Err(CredentialsError::TooLong);
        }
        let header = header.trim_ascii();
        let space = header.iter().position(u8::is_ascii_whitespace);
        let (scheme, rest) = match space.and_then(|at| header.split_at_checked(at)) {
            Some((scheme, rest)) => (scheme, rest.trim_ascii()),
            None => (header, &[][..]),
        };
        let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
        if !is(b"basic") && !is(b"bearer") && !is(b"token") {
            return Err(CredentialsError::UnknownScheme);
        }
        if rest.is_empty() {
            return Err(CredentialsError::NoCredentials);
        }
        if is(b"basic") {
            basic(rest)
        } else {
            token(rest)
        }
    }

    /// The same, with the codes that came beside it. A token needs none, so beside one they are not looked at.
    ///
    /// # Errors
    ///
    /// When there are several that differ, or what is there has not the form of a code.
    pub fn with_codes<'a>(
        mut self,
        codes: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, CredentialsError> {
        if let Self::Basic {
            user,
            password,
            code,
        } = &mut self
            && tokens::in_basic(user, password).is_none()
        {
            let mut codes = codes
                .map(<[u8]>::trim_ascii)
                .filter(|code| !code.is_empty());
            if let Some(first) = codes.next() {
                if codes.any(|other| other != first) {
                    return Err(CredentialsError::SeveralCodes);
                }
                *code = Some(Code::parse(first)?);
            }
        }
        Ok(self)
    }

    /// The user name that was given, for the log of refusals. Never what may be a secret: what stands where a token
    /// may stand is not shown, nor what begins like one.
    pub fn claimed(&self) -> Option<&str> {
        match self {
            Self::Basic { user, password, .. } => {
                let in_place_of_token =
                    password.expose().is_empty() || password.expose() == BESIDE_TOKEN;
                let secret = in_place_of_token || user.contains(tokens::PREFIX);
                Some(user.as_str()).filter(|user| !secret && !user.is_empty())
            }
            Self::None | Self::Token(_) | Self::Session(_) => None,
        }
    }
}

fn basic(encoded: &[u8]) -> Result<Credentials, CredentialsError> {
    let decoded = STANDARD
        .decode(encoded)
        .map(Zeroizing::new)
        .map_err(|_| CredentialsError::NotBasic)?;
    let text = str::from_utf8(&decoded).map_err(|_| CredentialsError::NotBasic)?;
    let (user, password) = text.split_once(':').ok_or(CredentialsError::NotBasic)?;
    if user.len() > MAX_USER || password.len() > MAX_SECRET {
        return Err(CredentialsError::TooLong);
    }
    Ok(Credentials::Basic {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
        code: None,
    })
}

fn token(token: &[u8]) -> Result<Credentials, CredentialsError> {
    if token.len() > MAX_SECRET {
        return Err(CredentialsError::TooLong);
    }
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(CredentialsError::NoCredentials);
    }
    str::from_utf8(token)
        .map(|token| Credentials::Token(Secret::new(token.to_owned())))
        .map_err(|_| CredentialsError::NoCredentials)
}

impl Hint for CredentialsError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLong => "use a user name and a password or token".to_owned(),
            Self::Several => "send one".to_owned(),
            Self::UnknownScheme => "use Basic, Bearer or token".to_owned(),
            Self::NoCredentials => "send `Bearer TOKEN`, `token TOKEN` or Basic".to_owned(),
            Self::NotBasic => "let the client encode them".to_owned(),
            Self::MistypedToken => "copy it again".to_owned(),
            Self::SeveralCodes => "send one".to_owned(),
            Self::NotACode(error) => return error.hint(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<Credentials, CredentialsError> {
        Credentials::parse(Some(header.as_bytes()))
    }

    fn parse_basic(pair: &[u8]) -> Result<Credentials, CredentialsError> {
        parse(&format!("Basic {}", STANDARD.encode(pair)))
    }

    #[track_caller]
    fn assert_basic(credentials: &Credentials, expected_user: &str, expected_password: &str) {
        let Credentials::Basic { user, password, .. } = credentials else {
            panic!("{credentials:?}");
        };
        assert_eq!(user, expected_user);
        assert_eq!(password.expose(), expected_password);
    }

    #[test]
    fn no_header_is_an_anonymous_caller() {
        assert!(matches!(
            Credentials::parse(None).unwrap(),
            Credentials::None
        ));
    }

    #[test]
    fn takes_the_scheme_in_any_case() {
        for header in [
            "Bearer tarn_x",
            "bEARER  tarn_x ",
            "token tarn_x",
            "TOKEN\ttarn_x",
        ] {
            let Credentials::Token(token) = parse(header).unwrap() else {
                panic!("{header}");
            };
            assert_eq!(token.expose(), "tarn_x");
        }
        assert_basic(&parse("bAsIc YWxpY2U6czNjcmV0").unwrap(), "alice", "s3cret");
    }

    #[test]
    fn splits_at_the_first_colon() {
        assert_basic(&parse_basic(b"alice:a:b").unwrap(), "alice", "a:b");
        assert_basic(&parse_basic(b":").unwrap(), "", "");
        assert_basic(&parse_basic("ä:ö".as_bytes()).unwrap(), "ä", "ö");
    }

    #[test]
    fn refuses_what_is_malformed() {
        for (header, error) in [
            ("", CredentialsError::UnknownScheme),
            ("Digest x", CredentialsError::UnknownScheme),
            ("YWxpY2U6czNjcmV0", CredentialsError::UnknownScheme),
            ("Basic", CredentialsError::NoCredentials),
            ("Bearer   ", CredentialsError::NoCredentials),
            ("Bearer a b", CredentialsError::NoCredentials),
            ("token t\u{e9}", CredentialsError::NoCredentials),
            ("Basic !!!", CredentialsError::NotBasic),
            ("Basic YWxpY2U", CredentialsError::NotBasic),
            ("Basic YWxpY2U=", CredentialsError::NotBasic),
        ] {
            assert_eq!(parse(header).unwrap_err(), error, "{header}");
        }
        assert_eq!(
            parse_basic(b"alice:\xff").unwrap_err(),
            CredentialsError::NotBasic
        );
    }

    #[test]
    fn refuses_what_is_longer_than_anything_right() {
        let long = "x".repeat(MAX_SECRET + 1);
        let all = [
            parse(&format!("Bearer {long}")),
            parse_basic(format!("alice:{long}").as_bytes()),
            parse_basic(format!("{}:x", "u".repeat(MAX_USER + 1)).as_bytes()),
            parse(&"x".repeat(MAX_HEADER + 1)),
        ];
        for result in all {
            assert_eq!(result.unwrap_err(), CredentialsError::TooLong);
        }
        let longest = format!("{}:{}", "u".repeat(MAX_USER), "x".repeat(MAX_SECRET));
        assert!(parse_basic(longest.as_bytes()).is_ok());
        assert!(parse(&format!("Bearer {}", "x".repeat(MAX_SECRET))).is_ok());
        assert!(parse(&format!("{:MAX_HEADER$}", "Bearer tarn_x")).is_ok());
    }

    #[test]
    fn claims_a_name_and_never_a_secret() {
        for (pair, claimed) in [
            ("alice:s3cret", Some("alice")),
            ("mallory\n:s3cret", Some("mallory\n")),
            (":s3cret", None),
            ("0123456789abcdef0123456789abcdef01234567:", None),
            (
                "0123456789abcdef0123456789abcdef01234567:x-oauth-basic",
                None,
            ),
            ("tarn_cutoff:s3cret", None),
            ("alice tarn_pasted:s3cret", None),
        ] {
            let credentials = parse_basic(pair.as_bytes()).unwrap();
            assert_eq!(credentials.claimed(), claimed, "{pair}");
        }
        assert_eq!(parse("Bearer tarn_x").unwrap().claimed(), None);
        assert_eq!(Credentials::None.claimed(), None);
    }

    #[test]
    fn hides_secrets_when_printed() {
        let shown = format!("{:?}", parse_basic(b"alice:s3cret").unwrap());
        assert_eq!(
            shown,
            r#"Basic { user: "alice", password: ***, code: None }"#
        );
    }

    #[test]
    fn codes_stand_beside_a_password_and_are_all_the_same() {
        let with = |header: &str, codes: &[&[u8]]| {
            parse(header).unwrap().with_codes(codes.iter().copied())
        };
        let basic = "Basic YWxpY2U6czNjcmV0";
        for codes in [
            &[&b"123456"[..]][..],
            &[b"123456", b" 123456 "],
            &[b"", b"123456"],
        ] {
            let credentials = with(basic, codes).unwrap();
            assert!(matches!(
                credentials,
                Credentials::Basic { code: Some(Code::Generated(digits)), .. } if digits == *b"123456"
            ));
        }
        for codes in [&[][..], &[&b""[..]], &[b" ", b""]] {
            let credentials = with(basic, codes).unwrap();
            assert!(matches!(credentials, Credentials::Basic { code: None, .. }));
        }
        for (codes, error) in [
            (
                &[&b"123456"[..], b"123457"][..],
                CredentialsError::SeveralCodes,
            ),
            (&[b"12345"], CredentialsError::NotACode(NotACode)),
            (&[b"\xff\xff"], CredentialsError::NotACode(NotACode)),
        ] {
            assert_eq!(with(basic, codes).unwrap_err(), error);
            assert!(with("Bearer tarn_x", codes).is_ok());
        }
    }
}
