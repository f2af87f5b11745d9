//! No sequence of grants and revocations lets a caller do what the rules, written here a second time in their plainest form,
//! deny; or keeps a caller from what they allow. Nor does a list or a search show what the caller may not read, or leave out what
//! they may.
//!
//! The rules here look at plain facts that the test keeps itself. The registry is a real one, on a real database, asked as
//! every request asks it.

mod facts;
mod lists;
mod steps;
mod world;

use proptest::{prelude::*, test_runner::TestCaseError};
use tarn_core::access::Action;
use tarn_store::metadata::{Actor, Role, Visibility};

use self::{
    steps::{beginning, steps},
    world::World,
};

pub(crate) static BY: Actor = Actor::COMMAND_LINE;
pub(crate) const HERE: [u8; 4] = [192, 0, 2, 7];

/// Users are the owners 0, 1 and 2, organisations 3 and 4. User 0 is an admin of both when they are made.
pub(crate) const USERS: usize = 3;
pub(crate) const OWNERS: usize = 5;
pub(crate) const FIRST_NAMES: [&str; OWNERS] = ["u0", "u1", "u2", "o3", "o4"];
pub(crate) const NEW_NAMES: [&str; 3] = ["n0", "n1", "N2"];
pub(crate) const PLACES: [(&str, &str); 2] = [("edge", "testing"), ("edge", "main")];
pub(crate) const ACTIONS: [Action; 4] = [
    Action::Read,
    Action::Publish,
    Action::Delete,
    Action::Administer,
];
/// The teams of an organisation, with what its members may do and, in the last, where.
pub(crate) const TEAMS: [(&str, Role); 4] = [
    ("readers", Role::Read),
    ("writers", Role::Write),
    ("admins", Role::Admin),
    ("ci", Role::Write),
];
pub(crate) const TEAM_LIMITS: [&str; 4] = ["", "edge/testing", "e*/*", "v3.*/main"];
pub(crate) const SCOPES: [&str; 7] = [
    "read:package",
    "write:package",
    "delete:package",
    "write:package,no-delete",
    "admin",
    "admin,write:package,public-only",
    "read:package,public-only",
];
pub(crate) const VISIBILITIES: [Visibility; 3] =
    [Visibility::Public, Visibility::Limited, Visibility::Private];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_caller_may_do_what_the_plain_rules_deny(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &beginning() {
                world.take(step).await;
            }
            world.compare().await?;
            for step in &steps {
                world.take(step).await;
                world.compare().await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
