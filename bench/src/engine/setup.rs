//! A real owner's key, and the calls that the server makes with it.

use std::{path::Path, sync::Arc};

use apk::{
    arch::Arch,
    limits::Limits,
    sign::{KeyName, SigningKey},
    v2::index::{self, Description},
};
use tarn_base::{clock::Clock, names::OwnerName, secret::Secret};
use tarn_core::{
    Administration,
    index::{
        Segments, adb,
        engine::State,
        v2::{self, Base, Made},
        v3,
    },
    keys::OwnerKeys,
    settings::Settings,
};
use tarn_store::metadata::{IndexChanges, IndexedPackage};

use crate::{
    Result,
    corpus::ARCH,
    measure::{cpu_seconds, mean},
    signature::signature_cpu,
    tools::block_on,
};

/// How often the same change is made for one measurement.
const REPEATS: usize = 20;

/// Signs indexes as the server does.
pub(super) struct Signer {
    keys: Arc<OwnerKeys>,
    arch: Arch,
    limits: Limits,
}

impl Signer {
    /// Makes an owner in an empty registry, and the RSA-4096 key that such an owner gets.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let data = folder.join("registry");
        std::fs::create_dir_all(&data)?;
        let settings = Settings::in_folder(data);
        let keys = block_on(async {
            let registry = Administration::open(&settings, &Clock::system()).await?;
            let password = Secret::new("only for this benchmark".to_owned());
            let first = registry.accounts().first_run(Some(password)).await?;
            let name = OwnerName::parse(first.ok_or("the registry is not empty")?.user)?;
            let owner = registry.metadata().owner(&name).await?;
            let keys = registry
                .keys()
                .signing_keys(&owner.ok_or("no owner")?)
                .await?;
            registry.metadata().close().await;
            Ok(keys)
        })?;
        Ok(Self {
            keys,
            arch: Arch::parse(ARCH)?,
            limits: settings.package_limits,
        })
    }

    /// The index of these packages, from nothing.
    pub(super) fn first(&self, packages: &[IndexedPackage]) -> Result<Made> {
        let state = v2::append(&State::empty()?, packages, &self.arch)?;
        let live = packages.len() as u64;
        Ok(v2::first(state, live, &self.keys, &self.limits)?)
    }

    /// The index after a change.
    pub(super) fn next(&self, before: &Base, changes: IndexChanges, live: usize) -> Result<Made> {
        Ok(v2::next(
            before,
            changes,
            &self.arch,
            live as u64,
            &self.keys,
            &self.limits,
        )?)
    }

    /// The index of v3 of these packages, from nothing.
    pub(super) fn first_v3(&self, packages: &[IndexedPackage]) -> Result<v3::Made> {
        let gathered = v3::gather(adb::Gathered::default(), packages)?;
        let live = packages.len() as u64;
        Ok(v3::first(gathered, live, &self.keys, &self.limits)?)
    }

    /// The index of v3 after a change.
    pub(super) fn next_v3(
        &self,
        before: &v3::Base,
        changes: IndexChanges,
        live: usize,
    ) -> Result<v3::Made> {
        let live = live as u64;
        Ok(v3::next(before, changes, live, &self.keys, &self.limits)?)
    }

    /// Adds the same packages to the same index several times. Gives the index, and the mean CPU seconds of once.
    pub(super) fn repeated(
        &self,
        before: &Base,
        added: &[IndexedPackage],
        live: usize,
    ) -> Result<(Segments, f64)> {
        let mut index = None;
        let seconds = mean(0..REPEATS, |_| {
            let changes = IndexChanges {
                removed: Vec::new(),
                added: added.to_vec(),
            };
            let ((_, segments, _), cpu) = cpu_seconds(|| self.next(before, changes, live))?;
            index = Some(segments);
            Ok(cpu)
        })?;
        Ok((index.ok_or("nothing was added")?, seconds))
    }

    /// The whole index by the plain writer, signed.
    pub(super) fn regenerate(&self, records: &[String]) -> Result<Vec<u8>> {
        let records = records.iter().map(String::as_str);
        let unsigned = index::write(records, &Description::default(), 0, 6);
        self.sign(&unsigned)
    }

    /// An unsigned index with the signature in front.
    pub(super) fn sign(&self, unsigned: &[u8]) -> Result<Vec<u8>> {
        let signature = index::sign_index(unsigned, &self.by())?;
        Ok([&signature, unsigned].concat())
    }

    /// CPU seconds of one bare signature by the owner's key, the mean of `count`.
    pub(super) fn signature_cpu(&self, count: usize) -> Result<f64> {
        signature_cpu(self.only_key()?, count)
    }

    /// Writes the owner's key into a file, as apk takes it.
    pub(super) fn write_key(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, self.only_key()?.to_pkcs8_pem()?)?)
    }

    fn only_key(&self) -> Result<&SigningKey> {
        match self.keys.active.as_slice() {
            [only] => Ok(&only.key),
            _ => Err("a new owner has one key".into()),
        }
    }

    fn by(&self) -> Vec<(&KeyName, &SigningKey)> {
        let keys = self.keys.active.iter();
        keys.map(|key| (&key.name, &key.key)).collect()
    }
}
