//! Which file the next data block is of.

use super::{
    ContentHash, DataPlace,
    contents::{hash, join},
};
use crate::v3::{
    reader::Payload,
    schema::{directory, file, package_file},
    value::Value,
};

/// A file that a data block is expected of.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) place: DataPlace,
    pub(super) path: Vec<u8>,
    pub(super) size: u64,
    pub(super) hash: ContentHash,
}

/// The first file with data in a database that was read, from `next` on: the numbers of a directory and of a file in it, both from 0
/// on, which move to that file.
pub(super) fn next_with_data(database: &[u8], next: &mut (usize, usize)) -> Option<Expected> {
    let payload = Payload::new(database).ok()?;
    let root = payload.slots(payload.root()).ok()?;
    let paths = payload.slots(root.value(package_file::PATHS)).ok()?;
    loop {
        if next.0 >= paths.len() {
            return None;
        }
        let row = payload.slots(paths.value(next.0 + 1)).ok()?;
        let files = payload.slots(row.value(directory::FILES)).ok()?;
        if next.1 >= files.len() {
            *next = (next.0 + 1, 0);
            continue;
        }
        let file = payload.slots(files.value(next.1 + 1)).ok()?;
        let size = match file.value(file::SIZE) {
            Value::NULL => 0,
            size => payload.integer(size).ok()?,
        };
        let is_regular = payload.blob(file.value(file::TARGET)).ok()?.is_empty();
        if !is_regular || size == 0 {
            next.1 += 1;
            continue;
        }
        let blob = |slot: Value| payload.blob(slot).ok();
        return Some(Expected {
            place: DataPlace {
                directory: u32::try_from(next.0 + 1).ok()?,
                file: u32::try_from(next.1 + 1).ok()?,
            },
            path: join(
                blob(row.value(directory::NAME))?,
                blob(file.value(file::NAME))?,
            ),
            size,
            hash: hash(payload, file).ok()??,
        });
    }
}
