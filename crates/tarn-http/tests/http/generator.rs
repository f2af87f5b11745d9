//! The other side of a second factor: a code generator, written from RFC 4226 and RFC 6238 without a look at the server's.

use aws_lc_rs::hmac;
use tarn_base::clock::Timestamp;

/// An authenticator application that has read an address.
pub(crate) struct Generator(Vec<u8>);

impl Generator {
    pub(crate) fn of(uri: &str) -> Self {
        let (_, query) = uri.split_once('?').unwrap();
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(found, _)| *found == name).unwrap().1
        };
        assert!(uri.starts_with("otpauth://totp/"), "{uri}");
        assert_eq!(
            (value("algorithm"), value("digits"), value("period")),
            ("SHA1", "6", "30")
        );
        let mut bits = String::new();
        for letter in value("secret").bytes() {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'2'..=b'7' => letter - b'2' + 26,
                _ => u8::MAX,
            };
            assert!(value < 32, "no base32: {letter}");
            bits.push_str(&format!("{value:05b}"));
        }
        let bytes = bits.as_bytes().chunks_exact(8);
        let byte = |bits: &[u8]| u8::from_str_radix(str::from_utf8(bits).unwrap(), 2).unwrap();
        Self(bytes.map(byte).collect())
    }

    /// The bytes that it shares with the server.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.0
    }

    /// What it shows at that time.
    pub(crate) fn code(&self, now: Timestamp) -> String {
        let counter = u64::try_from(now.seconds()).unwrap() / 30;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &counter.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag.last().unwrap() & 0xf);
        let four = tag.get(at..at + 4).unwrap();
        let number = u32::from_be_bytes(four.try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// Six digits that it shows neither then nor within a few minutes of it.
    pub(crate) fn wrong(&self, now: Timestamp) -> String {
        let near: Vec<String> = (-10..=10)
            .map(|steps| self.code(Timestamp::from_seconds(now.seconds() + steps * 30)))
            .collect();
        (0..)
            .map(|number| format!("{number:06}"))
            .find(|code| !near.contains(code))
            .unwrap()
    }
}
