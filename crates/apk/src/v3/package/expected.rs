//! Which file the next data block is of.

use super::{
    ContentHash, DataPlace,
    contents::{hash, join},
};
use crate::v3::{
    error::FieldError,
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
///
/// # Errors
///
/// When something in it can't be read, which a check of the whole database has found before.
pub(super) fn next_with_data(
    database: &[u8],
    next: &mut (usize, usize),
) -> Result<Option<Expected>, FieldError> {
    let payload = Payload::new(database)?;
    let root = payload.slots(payload.root())?;
    let paths = payload.slots(root.value(package_file::PATHS))?;
    loop {
        if next.0 >= paths.len() {
            return Ok(None);
        }
        let row = payload.slots(paths.value(next.0 + 1))?;
        let files = payload.slots(row.value(directory::FILES))?;
        if next.1 >= files.len() {
            *next = (next.0 + 1, 0);
            continue;
        }
        let file = payload.slots(files.value(next.1 + 1))?;
        let size = match file.value(file::SIZE) {
            Value::NULL => 0,
            size => payload.integer(size)?,
        };
        let is_regular = payload.blob(file.value(file::TARGET))?.is_empty();
        if !is_regular || size == 0 {
            next.1 += 1;
            continue;
        }
        let number =
            |from_zero: usize| u32::try_from(from_zero + 1).map_err(|_| FieldError::Missing);
        return Ok(Some(Expected {
            place: DataPlace {
                directory: number(next.0)?,
                file: number(next.1)?,
            },
            path: join(
                payload.blob(row.value(directory::NAME))?,
                payload.blob(file.value(file::NAME))?,
            ),
            size,
            hash: hash(payload, file)?.ok_or(FieldError::Missing)?,
        }));
    }
}
