//! Why an S3 store did not do what it was asked, in words.

use std::{error::Error, time::Duration};

use object_store::client::{HttpError, HttpErrorKind};

/// Why an S3 store did not do what it was asked. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum S3Error {
    /// The variables are not set.
    #[error("the credentials are missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    NoCredentials,
    /// Nothing answers there.
    #[error(
        "the store cannot be reached ({0}): check `endpoint` in `--storage`, and that the store runs"
    )]
    Unreachable(String),
    /// It stopped in the middle.
    #[error("the store sent or took nothing for {} seconds", .0.as_secs())]
    Stalled(Duration),
    /// The connection ended in the middle.
    #[error("the connection to the store ended early ({0})")]
    Cut(String),
    /// The bucket is not there.
    #[error("there is no such bucket: make it, or correct its name in `--storage`")]
    NoBucket,
    /// The key is not known.
    #[error("the store does not know the access key: check AWS_ACCESS_KEY_ID")]
    UnknownKey,
    /// The secret is not that of the key.
    #[error(
        "the store refuses the signature: check AWS_SECRET_ACCESS_KEY, and `region` in `--storage`"
    )]
    WrongSecret,
    /// The key may not do that.
    #[error(
        "the access key may not do that: it has to read, write, list and delete in this bucket"
    )]
    NotAllowed,
    /// The bucket is in another region.
    #[error("the bucket is in another region{}: correct `region` in `--storage`", hint(.0))]
    WrongRegion(String),
    /// The clocks differ.
    #[error("the clock of this machine and that of the store differ by too much: set them")]
    WrongTime,
    /// The bytes were spoilt on their way.
    #[error("the store received other bytes than were sent, and kept nothing")]
    OtherBytes,
    /// More than one PUT may have.
    #[error(
        "a package of {0} bytes is larger than the 5 GiB that an S3 store takes at once: set `max-upload-size` to 5G or less"
    )]
    TooLarge(u64),
    /// What came back is not what was put.
    #[error("the store gave back other bytes than it was sent")]
    NotTheSame,
    /// Another answer.
    #[error("the store answered {0}")]
    Answer(String),
}

fn hint(message: &str) -> String {
    match message {
        "" => String::new(),
        message => format!(" ({message})"),
    }
}

/// The text of the first element of that name in an S3 error document.
fn element<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text)
}

impl S3Error {
    /// From an answer of the store: `status` and, if it has one, its document.
    pub(super) fn from_answer(status: &str, document: &str) -> Self {
        let message = element(document, "Message").unwrap_or_default();
        match element(document, "Code") {
            Some("NoSuchBucket") => Self::NoBucket,
            // The second is versitygw's; Garage denies access, and says why.
            Some("InvalidAccessKeyId" | "XAdminUserNotFound") => Self::UnknownKey,
            Some("AccessDenied") if message.contains("No such key") => Self::UnknownKey,
            Some("SignatureDoesNotMatch") => Self::WrongSecret,
            Some("AccessDenied" | "AllAccessDisabled") => Self::NotAllowed,
            Some("RequestTimeTooSkewed") => Self::WrongTime,
            Some("BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch") => Self::OtherBytes,
            Some(
                "AuthorizationHeaderMalformed"
                | "AuthorizationQueryParametersError"
                | "PermanentRedirect"
                | "TemporaryRedirect"
                | "IllegalLocationConstraintException",
            ) => Self::WrongRegion(short(message)),
            // Garage says this of a scope of another region.
            _ if message.contains("region") || message.contains("scope") => {
                Self::WrongRegion(short(message))
            }
            Some(code) => Self::Answer(short(&format!("{status} {code}: {message}"))),
            None if status.starts_with('3') => Self::WrongRegion(String::new()),
            None => Self::Answer(short(&format!("{status} {document}"))),
        }
    }

    /// From an error of the library, whose cause is several sources down.
    pub(super) fn from_library(error: &(dyn Error + 'static), stall: Duration) -> Self {
        let mut next = Some(error);
        let mut deepest = error;
        let mut answer = None;
        let mut http = None;
        while let Some(error) = next {
            let text = error.to_string();
            if text.contains("Received redirect") {
                return Self::WrongRegion(String::new());
            }
            if let Some((_, said)) = text.split_once("Server returned non-2xx status code: ") {
                answer = Some(said.to_owned());
            }
            if let Some(error) = error.downcast_ref::<HttpError>() {
                http = Some(error.kind());
            }
            deepest = error;
            next = error.source();
        }
        if let Some(said) = answer {
            let (status, document) = said.split_once(": ").unwrap_or((&said, ""));
            return Self::from_answer(status, document);
        }
        let cause = short(&deepest.to_string());
        match http {
            Some(HttpErrorKind::Connect) => Self::Unreachable(cause),
            Some(HttpErrorKind::Timeout) => Self::Stalled(stall),
            Some(_) => Self::Cut(cause),
            None => Self::Answer(cause),
        }
    }

    /// From an error of a request that the library did not make.
    pub(super) fn from_request(error: &reqwest::Error) -> Self {
        let mut deepest: &dyn Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let cause = short(&deepest.to_string());
        match error.is_connect() {
            true => Self::Unreachable(cause),
            false => Self::Cut(cause),
        }
    }

    /// Whether another attempt may succeed.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Stalled(_) | Self::Cut(_))
    }
}

/// Whether an error of the library says that there is no such object. A bucket that is not there is another matter, which the
/// status does not tell.
pub(super) fn is_absent(error: &object_store::Error) -> bool {
    let object_store::Error::NotFound { source, .. } = error else {
        return false;
    };
    source.to_string().contains("<Code>NoSuchKey</Code>")
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of an error for that answer.
    fn said(status: &str, code: &str, message: &str) -> String {
        let document =
            format!("<Error><Code>{code}</Code><Message>{message}</Message><Key/></Error>");
        S3Error::from_answer(status, &document).to_string()
    }

    #[test]
    fn an_answer_of_a_store_is_reported_with_what_to_do() {
        for (status, code, message, text) in [
            ("404", "NoSuchBucket", "", "there is no such bucket"),
            ("403", "InvalidAccessKeyId", "", "check AWS_ACCESS_KEY_ID"),
            ("403", "XAdminUserNotFound", "", "check AWS_ACCESS_KEY_ID"),
            (
                "403",
                "AccessDenied",
                "Forbidden: No such key: GK12",
                "check AWS_ACCESS_KEY_ID",
            ),
            (
                "403",
                "SignatureDoesNotMatch",
                "",
                "check AWS_SECRET_ACCESS_KEY",
            ),
            ("403", "AccessDenied", "", "the access key may not do that"),
            (
                "403",
                "AllAccessDisabled",
                "",
                "the access key may not do that",
            ),
            ("403", "RequestTimeTooSkewed", "", "set them"),
            ("400", "BadDigest", "", "kept nothing"),
            ("400", "InvalidDigest", "", "kept nothing"),
            ("400", "XAmzContentSHA256Mismatch", "", "kept nothing"),
            (
                "400",
                "AuthorizationHeaderMalformed",
                "expecting eu-1",
                "another region (expecting eu-1): correct `region`",
            ),
            (
                "301",
                "PermanentRedirect",
                "",
                "another region: correct `region`",
            ),
            (
                "400",
                "InvalidRequest",
                "unexpected scope",
                "another region (unexpected scope)",
            ),
            (
                "400",
                "InvalidRequest",
                "the region is wrong",
                "another region (the region is wrong)",
            ),
            (
                "503",
                "SlowDown",
                "later\n",
                "the store answered 503 SlowDown: later",
            ),
        ] {
            let said = said(status, code, message);
            assert!(said.contains(text), "{code}: {said}");
        }
        // No S3 store answers so, but what stands in front of one does.
        for (status, document, text) in [
            ("307", "<html>", "another region: correct `region`"),
            ("502", "<html>", "the store answered 502 <html>"),
            ("502", "", "the store answered 502 "),
        ] {
            let said = S3Error::from_answer(status, document).to_string();
            assert!(said.contains(text), "{said}");
        }
    }

    #[test]
    fn what_a_store_says_is_cut_and_has_no_control_characters() {
        let said = said("500", "InternalError", &"\u{1b}[2Jx".repeat(200));
        assert!(said.chars().count() < 350 && !said.contains('\u{1b}'));
    }

    #[test]
    fn another_attempt_may_succeed_where_the_network_failed() {
        for error in [
            S3Error::Unreachable(String::new()),
            S3Error::Stalled(Duration::ZERO),
            S3Error::Cut(String::new()),
        ] {
            assert!(error.is_passing(), "{error}");
        }
        for error in [S3Error::NoBucket, S3Error::Answer("500".to_owned())] {
            assert!(!error.is_passing(), "{error}");
        }
    }
}
