//! Reads what is in front of the files' data, to show it.

use super::{PackageContents, PackageError, reader::OpenFile};
use crate::{
    limits::Limits,
    v3::{container::ContainerError, unpack::Unpacker},
};

/// Reads the paths and scripts of a package that was read whole before, out of its first bytes: the ADB block has them all. The data of
/// the files is not unpacked, so that it costs nothing, however large it is.
#[derive(Debug)]
pub struct ContentsReader {
    unpacker: Unpacker,
    file: OpenFile,
}

/// Why the unpacker goes no further.
enum Stop {
    Read,
    Failed(PackageError),
}

impl From<ContainerError> for Stop {
    fn from(error: ContainerError) -> Self {
        Self::Failed(error.into())
    }
}

impl ContentsReader {
    /// A reader of one package. Of a large window of zstd, only what the ADB block takes is ever written: the rest takes no memory.
    pub fn new(limits: Limits) -> Self {
        Self {
            unpacker: Unpacker::new(limits.data_section, limits.zstd_window),
            file: OpenFile::new(limits, true),
        }
    }

    /// Takes the next bytes of the file. Gives what is in the package once the ADB block is whole, and needs no more then.
    pub fn push(&mut self, input: &[u8]) -> Result<Option<PackageContents>, PackageError> {
        let file = &mut self.file;
        let mut contents = None;
        let pushed = self.unpacker.push(input, &mut |unpacked: &[u8]| {
            file.push(unpacked, &mut |_| Ok(())).map_err(Stop::Failed)?;
            contents = file.take_contents();
            match contents {
                Some(_) => Err(Stop::Read),
                None => Ok(()),
            }
        });
        match pushed {
            Err(Stop::Failed(problem)) => Err(problem),
            Err(Stop::Read) | Ok(()) => Ok(contents),
        }
    }
}
