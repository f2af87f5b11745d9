//! What is known of a package's own signatures.
//!
//! None is asked for: a client takes a package by the hash that a signed index has of it, and looks at the package's own
//! signature only when it is given the file itself (apk-tools `src/database.c`, `apk_db_unpack_pkg`; `src/app_add.c`). OpenWrt's
//! builders sign the index and nothing else. So an unsigned package is taken, and so is one signed by an unknown key. Whether a
//! signature is by a key of the owner is noted with the package, for those who look at it.

use apk::{
    package::Package,
    sign::{KeyName, PublicKey},
    v3::signature::KeyId,
};

use super::{PublishError, Publisher};
use tarn_store::metadata::{OwnerId, PackageSigner, SigningKeyRow};

impl Publisher {
    /// The signatures of a package, checked with the keys that its owner has or had.
    pub(super) async fn signers(
        &self,
        owner: OwnerId,
        package: &Package,
    ) -> Result<Vec<PackageSigner>, PublishError> {
        let signatures = package.signatures();
        if signatures.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.metadata.signing_keys(owner).await?;
        let signers = signatures.into_iter().map(|signature| PackageSigner {
            verified_by: keys
                .iter()
                .find(|row| made(row, package, &signature.key))
                .map(|row| row.name.clone()),
            algorithm: signature.algorithm.to_owned(),
            key: signature.key,
        });
        Ok(signers.collect())
    }
}

/// Whether the signature that names its key so is by this one.
fn made(row: &SigningKeyRow, package: &Package, key: &str) -> bool {
    let (Ok(name), Ok(public)) = (
        KeyName::parse(&row.name),
        PublicKey::from_pem(row.public_pem.as_bytes()),
    ) else {
        return false;
    };
    let is_named = match package {
        Package::V2(_) => row.name == key,
        Package::V3(_) => KeyId::of(&public).to_string() == key,
    };
    is_named && package.is_signed_by(&name, &public)
}
