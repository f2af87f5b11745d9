//! The ground: names, time, sizes, secrets, random numbers and counters. Nothing here knows packages, databases or HTTP.

pub mod clock;
pub mod counter;
pub mod hint;
pub mod named;
pub mod names;
pub mod printable;
pub mod random;
pub mod sealer;
pub mod secret;
mod secret_file;
pub mod size;

pub use self::secret_file::SecretFileError;
