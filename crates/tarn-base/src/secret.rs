//! A secret that masks itself.

use std::fmt;

use zeroize::Zeroizing;

/// A password or a token: shown as `***` when printed, wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the secret over.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret in the clear. Never log what this gives.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_itself_when_printed() {
        assert_eq!(
            format!("{:?}", Some(Secret::new("hunter22".to_owned()))),
            "Some(***)"
        );
    }
}
