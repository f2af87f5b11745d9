//! The codes of a generator: TOTP (RFC 6238) with SHA-1, six digits, steps of 30 seconds. That is what every authenticator
//! application knows; several ignore what else an address could ask for.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use tarn_base::clock::Timestamp;
use tarn_base::{
    random::{Random, RandomError},
    secret::Secret,
};

/// The digits of a code.
pub(super) const DIGITS: usize = 6;
/// How long a code is the current one, in seconds.
const PERIOD: i64 = 30;
/// How many steps a clock may be off, either way.
const DRIFT: i64 = 1;
/// The bytes of a secret that is made here: as many as the hash has (RFC 4226, section 4, requirement 6).
const SECRET: usize = 20;
/// The letters of the shortest and of the longest secret that is read: forges make 40 bytes, which are 64.
const LETTERS: std::ops::RangeInclusive<usize> = 16..=128;

/// RFC 3986, section 2.3: everything but the unreserved characters is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The secret that a generator and the server share.
pub(crate) struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    pub(super) fn generate(random: &Random) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new(vec![0; SECRET]);
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// From what [`Self::to_base32`] gave, here or in a forge: groups of 8 letters, which are 5 bytes, none left over.
    pub(crate) fn from_base32(text: &str) -> Option<Self> {
        if !text.len().is_multiple_of(8) || !LETTERS.contains(&text.len()) {
            return None;
        }
        let mut bytes = Zeroizing::new(vec![0; text.len() / 8 * 5]);
        BASE32_NOPAD.decode_mut(text.as_bytes(), &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// As generators take it when it is typed: 8 letters and digits for 5 bytes.
    pub(super) fn to_base32(&self) -> Secret {
        Secret::new(BASE32_NOPAD.encode(&self.0))
    }

    /// The address that generators read from a QR code ("Key Uri Format" of Google Authenticator's documentation). The
    /// account and the issuer are shown beside the codes.
    pub(super) fn uri(&self, issuer: &str, account: &str) -> Secret {
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        let (issuer, account) = (encoded(issuer), encoded(account));
        let secret = self.to_base32();
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}",
            secret.expose()
        ))
    }

    /// The step whose code this is, at `now` or a little before or after. Every step is compared, whatever the others say.
    pub(super) fn step_of(&self, code: &[u8; DIGITS], now: Timestamp) -> Option<i64> {
        let current = now.seconds().div_euclid(PERIOD);
        let mut found = None;
        // The newest last: should two steps have one code, both are used up.
        for step in current - DRIFT..=current + DRIFT {
            if bool::from(self.code(step).as_slice().ct_eq(code)) {
                found = Some(step);
            }
        }
        found
    }

    /// The code of a step (RFC 4226, section 5.3).
    fn code(&self, step: i64) -> [u8; DIGITS] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or(0) & 15);
        let number = tag
            .iter()
            .skip(offset)
            .take(4)
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let mut left = number & 0x7fff_ffff;
        let mut digits = [b'0'; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
            left /= 10;
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_the_rfc() -> TotpSecret {
        TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()))
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, the last six of its eight digits; RFC 4226, appendix D, for counters 0 to 3.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(
                of_the_rfc().code(seconds / 30),
                code.as_bytes(),
                "{seconds}"
            );
        }
        for (step, code) in (0..).zip(["755224", "287082", "359152", "969429"]) {
            assert_eq!(of_the_rfc().code(step), code.as_bytes());
        }
    }

    #[test]
    fn one_step_of_drift_is_forgiven_and_no_more() {
        let secret = of_the_rfc();
        let now = Timestamp::from_seconds(1_111_111_109);
        let step = 1_111_111_109 / 30;
        for (off, found) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = secret.code(step + off);
            let expected = found.then_some(step + off);
            assert_eq!(secret.step_of(&code, now), expected, "{off}");
        }
        assert_eq!(secret.step_of(b"000000", now), None);
    }

    #[test]
    fn a_secret_reads_back_from_base32() {
        // RFC 4648 encodes 20 bytes without padding; `base32` of the GNU coreutils gives the same.
        assert_eq!(
            of_the_rfc().to_base32().expose(),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
        let secret = TotpSecret::generate(&Random::counted(1)).unwrap();
        let text = secret.to_base32();
        assert_eq!(
            *TotpSecret::from_base32(text.expose()).unwrap().0,
            *secret.0
        );
        // As long as those of the forges, whose code for step 1 Python's `hmac` gives.
        let long = "AVDYS32OPIAYSNBG2NKYV4AHBVEMKKKIGBQ46OXTLMJO664G4TIECOGEANMSNBLS";
        let long = TotpSecret::from_base32(long).unwrap();
        assert_eq!((long.0.len(), long.code(1)), (40, *b"270408"));
        for wrong in [
            "",
            "GEZDGNBV",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ",
            &"A".repeat(136),
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            &"1".repeat(32),
        ] {
            assert!(TotpSecret::from_base32(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_address_has_its_literal_form() {
        let uri = of_the_rfc().uri("Tarn at packages.example:8443", "alice+ci");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Tarn%20at%20packages.example%3A8443:alice%2Bci?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Tarn%20at%20packages.example%3A8443&algorithm=SHA1&digits=6&period=30"
        );
    }
}
