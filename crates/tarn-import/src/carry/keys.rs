//! The signing keys of a forge.

use apk::sign::SigningKey;
use tarn_base::secret::Secret;
use tarn_core::keys::{self, Import, KeyError};
use tarn_store::metadata::Owner;

use crate::{ImportError, report::Ended, run::Run};

impl Run<'_> {
    /// A key comes under the name that clients of the forge know it by, whatever its owner is called here.
    pub(super) async fn signing_key(
        &self,
        owner: &Owner,
        in_forge: &str,
        pem: &Secret,
    ) -> Result<Ended, ImportError> {
        let key = match SigningKey::from_pem(pem.expose().as_bytes()) {
            Ok(key) => key,
            Err(error) => return Ok(Ended::left_out(KeyError::NotAKey(error).to_string())),
        };
        let keys = self.registry.keys();
        let fingerprint = key.public_key().fingerprint().to_hex();
        let known = keys.list(owner).await?;
        if known.iter().any(|known| known.fingerprint == fingerprint) {
            return Ok(Ended::There);
        }
        let name = Some(keys::file_name(in_forge, key.public_key())?);
        match keys.import(owner, pem, name, Import::Beside, self.by).await {
            Ok(_) => Ok(Ended::Imported),
            Err(
                error @ (KeyError::NotAKey(_) | KeyError::Size { .. } | KeyError::TooManyActive),
            ) => Ok(Ended::left_out(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}
