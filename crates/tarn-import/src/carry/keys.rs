//! The signing keys of a forge.

use apk::sign::SigningKey;
use tarn_base::secret::Secret;
use tarn_core::keys::{self, Import, KeyError};

use super::Run;
use crate::{ImportError, plan::Plan, report::Kind};

impl Run<'_> {
    /// A key comes under the name that clients of the forge know it by, whatever its owner is called here.
    pub(super) async fn signing_key(
        &mut self,
        id: i64,
        pem: &Secret,
        plan: &Plan,
    ) -> Result<(), ImportError> {
        let Some(owner) = self.known.owners.get(&id).cloned() else {
            return Ok(());
        };
        let key = match SigningKey::from_pem(pem.expose().as_bytes()) {
            Ok(key) => key,
            Err(error) => {
                let why = KeyError::NotAKey(error).to_string();
                self.report.left_out(Kind::SigningKey, owner.name, why);
                return Ok(());
            }
        };
        let keys = self.registry.keys();
        let fingerprint = key.public_key().fingerprint().to_hex();
        let known = keys.list(&owner).await?;
        if known.iter().any(|known| known.fingerprint == fingerprint) {
            self.report.there(Kind::SigningKey);
            return Ok(());
        }
        let in_forge = plan.names.get(&id).unwrap_or(&owner.name);
        let name = keys::file_name(in_forge, key.public_key())?;
        let imported = keys
            .import(&owner, pem, Some(name), Import::Beside, self.by)
            .await;
        match imported {
            Ok(_) => self.report.imported(Kind::SigningKey),
            Err(
                error @ (KeyError::NotAKey(_) | KeyError::Size { .. } | KeyError::TooManyActive),
            ) => {
                self.report
                    .left_out(Kind::SigningKey, owner.name, error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
