//! Randomness, passed in.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sha2::{Digest as _, Sha256};

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes ({0})")]
pub struct RandomError(getrandom::Error);

/// Where secrets get their random bytes from.
#[derive(Debug, Clone)]
pub struct Random(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Counted(Arc<AtomicU64>),
}

impl Random {
    /// The random bytes of the operating system.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// Bytes that are the same in every run, for tests that show literal values. Not random at all.
    pub fn counted(start: u64) -> Self {
        Self(Source::Counted(Arc::new(AtomicU64::new(start))))
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// When the operating system has none.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        match &self.0 {
            Source::System => getrandom::fill(bytes).map_err(RandomError),
            Source::Counted(counter) => {
                for chunk in bytes.chunks_mut(32) {
                    let block =
                        Sha256::digest(counter.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                    for (byte, value) in chunk.iter_mut().zip(block) {
                        *byte = value;
                    }
                }
                Ok(())
            }
        }
    }

    /// `length` characters of `alphabet`, each as likely as the others.
    ///
    /// # Errors
    ///
    /// When the operating system has no random bytes.
    pub fn text(&self, alphabet: &[u8], length: usize) -> Result<String, RandomError> {
        let size = alphabet.len().clamp(1, 256);
        // A byte at or over the last whole multiple of the alphabet's size would favour its first letters.
        let fair = 256 - 256 % size;
        let mut text = String::with_capacity(length);
        let mut bytes = zeroize::Zeroizing::new([0_u8; 64]);
        while text.len() < length {
            self.fill(&mut *bytes)?;
            for byte in bytes.iter().map(|byte| usize::from(*byte)) {
                if text.len() < length
                    && byte < fair
                    && let Some(letter) = alphabet.get(byte % size)
                {
                    text.push(char::from(*letter));
                }
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_of_the_system_differ() {
        let random = Random::system();
        let first = random.text(b"abcdefghij", 40).unwrap();
        assert_eq!(first.len(), 40);
        assert_ne!(first, random.text(b"abcdefghij", 40).unwrap());
    }

    #[test]
    fn every_letter_of_the_alphabet_comes_up_about_as_often() {
        let text = Random::counted(7).text(b"abc", 30_000).unwrap();
        for letter in ['a', 'b', 'c'] {
            let count = text.chars().filter(|each| *each == letter).count();
            assert!((9_600..10_400).contains(&count), "{letter}: {count}");
        }
    }
}
