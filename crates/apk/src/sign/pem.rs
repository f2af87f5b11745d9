//! PEM (RFC 7468): one block of base64 between two lines that name what it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;
use zeroize::Zeroizing;

/// A key of 16,384 bits in PEM is 13 KB, and none is that large.
const SIZE_LIMIT: usize = 32 << 10;

/// Why a text is no PEM file with one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PemError {
    /// Too large to be a key.
    #[error("the file is larger than {SIZE_LIMIT} bytes; a key in PEM form is a few KB")]
    TooLarge,
    /// No block.
    #[error("no line `-----BEGIN …-----` is in the file; a key in PEM form is expected")]
    NoBegin,
    /// The parameters of an elliptic curve, and no key.
    #[error(
        "the file holds the parameters of a curve and no key; make one with `openssl ecparam -name prime256v1 -genkey`"
    )]
    ParametersAlone,
    /// The block does not end.
    #[error(
        "the line `-----END …-----` is missing or names something else than the BEGIN line; is the file cut short?"
    )]
    NoEnd,
    /// Lines in the block that are not base64.
    #[error("the lines between BEGIN and END are not base64")]
    NotBase64,
    /// Something follows.
    #[error("the file goes on after the END line; give one key a file")]
    TrailingData,
    /// The block is encrypted.
    #[error(
        "the key is encrypted with a passphrase; write it without one first: `openssl pkey -in KEY -out PLAIN`"
    )]
    Encrypted,
}

/// The block that `openssl ecparam -genkey` writes in front of a key unless it is given `-noout`. It names the curve, which
/// the key does too.
const EC_PARAMETERS: &[u8] = b"EC PARAMETERS";

/// Reads the only block of a PEM file: its label and its bytes. Lines in front of it are read over, as OpenSSL does, and so
/// are the parameters of an elliptic curve.
pub(super) fn decode(text: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), PemError> {
    if text.len() > SIZE_LIMIT {
        return Err(PemError::TooLarge);
    }
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let mut begin = || lines.find_map(|line| boundary(line, b"-----BEGIN "));
    let mut label = begin().ok_or(PemError::NoBegin)?;
    if label == EC_PARAMETERS {
        label = begin().ok_or(PemError::ParametersAlone)?;
    }
    let mut base64 = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut ended = false;
    for line in lines.by_ref() {
        if line.starts_with(b"-----") {
            ended = boundary(line, b"-----END ") == Some(label);
            break;
        }
        // RFC 1421 headers stand only in front of encrypted blocks.
        if line.starts_with(b"Proc-Type:") || line.starts_with(b"DEK-Info:") {
            return Err(PemError::Encrypted);
        }
        base64.extend_from_slice(line.trim_ascii());
    }
    if !ended {
        return Err(PemError::NoEnd);
    }
    if lines.any(|line| !line.trim_ascii().is_empty()) {
        return Err(PemError::TrailingData);
    }
    if label == b"ENCRYPTED PRIVATE KEY" {
        return Err(PemError::Encrypted);
    }
    let bytes = STANDARD
        .decode(base64.as_slice())
        .map_err(|_| PemError::NotBase64)?;
    Ok((
        String::from_utf8_lossy(label).into_owned(),
        Zeroizing::new(bytes),
    ))
}

/// Writes a block, 64 characters a line.
pub(super) fn encode(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    let mut base64 = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    STANDARD.encode_string(bytes, &mut base64);
    let mut pem = Zeroizing::new(String::with_capacity(
        base64.len() + base64.len() / 64 + 128,
    ));
    pem.push_str("-----BEGIN ");
    pem.push_str(label);
    pem.push_str("-----\n");
    for line in base64.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

fn boundary<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(prefix)?.strip_suffix(b"-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for size in [0, 1, 47, 48, 49, 500] {
            let bytes = vec![7; size];
            let pem = encode("PUBLIC KEY", &bytes);
            assert!(pem.lines().all(|line| line.len() <= 64));
            let (label, read) = decode(pem.as_bytes()).expect("own block");
            assert_eq!(
                (label.as_str(), read.as_slice()),
                ("PUBLIC KEY", bytes.as_slice())
            );
        }
    }

    #[test]
    fn reads_over_lines_in_front_and_carriage_returns() {
        let text =
            b"RSA Private-Key: (2048 bit)\r\n-----BEGIN A-----\r\nAAEC\r\n-----END A-----\r\n\r\n";
        assert_eq!(
            decode(text).map(|(_, bytes)| bytes.to_vec()),
            Ok(vec![0, 1, 2])
        );
    }

    #[test]
    fn reads_over_the_parameters_of_a_curve() {
        let text =
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
                     -----BEGIN EC PRIVATE KEY-----\nAAEC\n-----END EC PRIVATE KEY-----\n";
        let (label, bytes) = decode(text).expect("two blocks");
        assert_eq!(
            (label.as_str(), bytes.as_slice()),
            ("EC PRIVATE KEY", &[0, 1, 2][..])
        );
    }

    #[test]
    fn rejects_everything_else() {
        for (text, expected) in [
            (&b""[..], PemError::NoBegin),
            (b"<html>", PemError::NoBegin),
            (b"-----BEGIN A-----\nAAEC\n", PemError::NoEnd),
            (
                b"-----BEGIN A-----\nAAEC\n-----END B-----\n",
                PemError::NoEnd,
            ),
            (
                b"-----BEGIN A-----\nAA!C\n-----END A-----\n",
                PemError::NotBase64,
            ),
            (
                b"-----BEGIN A-----\nAAE\n-----END A-----\n",
                PemError::NotBase64,
            ),
            (
                b"-----BEGIN A-----\n-----END A-----\n-----BEGIN A-----\n",
                PemError::TrailingData,
            ),
            (
                b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
                PemError::Encrypted,
            ),
            (
                b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----",
                PemError::Encrypted,
            ),
            (
                b"-----BEGIN EC PARAMETERS-----\nAAEC\n-----END EC PARAMETERS-----\n",
                PemError::ParametersAlone,
            ),
            (&[b'a'; 40 << 10], PemError::TooLarge),
        ] {
            assert_eq!(decode(text).map(|(label, _)| label), Err(expected));
        }
    }
}
