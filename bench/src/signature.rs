//! One bare RSA-4096 signature: the piece of work that no signer can do without.

use apk::sign::SigningKey;
use sha2::{Digest, Sha256};

use crate::{Result, measure::cpu_seconds};

/// CPU seconds of one signature; the mean of `count`, each over another digest.
pub(crate) fn signature_cpu(key: &SigningKey, count: usize) -> Result<f64> {
    let digests: Vec<[u8; 32]> = (0..count)
        .map(|number| Sha256::digest(number.to_le_bytes()).into())
        .collect();
    let ((), cpu) = cpu_seconds(|| {
        for digest in &digests {
            std::hint::black_box(key.sign_sha256_digest(digest)?);
        }
        Ok(())
    })?;
    Ok(cpu / count as f64)
}
