//! The resources that most parts of a registry need.

use std::sync::Arc;

use tarn_base::{clock::Clock, random::Random, sealer::Sealer};
use tarn_store::metadata::{Act, Actor, Metadata};

/// The database, the key that seals what is secret in it, the time, and random numbers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resources {
    /// The facts.
    pub metadata: Metadata,
    /// What seals the secrets among them.
    pub sealer: Arc<Sealer>,
    /// The time.
    pub clock: Clock,
    /// Random numbers.
    pub random: Random,
}

impl Resources {
    /// What is done now, by that actor.
    pub(crate) fn act<'a>(&self, by: &'a Actor) -> Act<'a> {
        by.at(self.clock.now())
    }
}
