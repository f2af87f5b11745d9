//! What is known of the indexes in memory: for people who look at a repository.

use apk::{arch::Arch, sign::KeyName};

use super::{Format, Indexes, Place};
use tarn_base::clock::Timestamp;
use tarn_store::metadata::RepositoryId;

/// An index that this process made, signed, verified, and has in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Of which generation it is. The next request makes that of a newer one.
    pub generation: i64,
    /// How many packages it lists.
    pub packages: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The file names of the keys that signed it.
    pub signed_by: Vec<KeyName>,
    /// When it was signed, and read back by the independent reader: one is never done without the other.
    pub verified_at: Timestamp,
}

impl Indexes {
    /// The index of an architecture and format as it is in memory. `None` where it was not made since the process began, or
    /// others needed its place. Nothing is made for the question, and the database is not asked.
    pub async fn in_memory(
        &self,
        repository: RepositoryId,
        arch: &Arch,
        format: Format,
    ) -> Option<Standing> {
        let mut place = Place {
            repository,
            arch: arch.clone(),
            format,
            is_of_a_guest: false,
        };
        let mut made = self.made.get(&place).await;
        if made.is_none() {
            place.is_of_a_guest = true;
            made = self.made_for_guests.get(&place).await;
        }
        made.map(|made| made.standing.clone())
    }
}
