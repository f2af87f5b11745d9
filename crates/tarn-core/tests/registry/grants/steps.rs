//! The changes that are made, in any order.

use proptest::prelude::*;
use tarn_store::metadata::Role;

use super::{NEW_NAMES, OWNERS, SCOPES, TEAM_LIMITS, TEAMS, USERS, VISIBILITIES};

/// One change.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    SetMember(usize, usize, Option<Role>),
    JoinTeam(usize, usize, usize),
    LeaveTeam(usize, usize, usize),
    LimitCi(usize, usize),
    Show(usize, usize),
    Disable(usize, bool),
    SiteAdmin(usize, bool),
    Rename(usize, usize),
    AddToken {
        owner: usize,
        scopes: usize,
        /// An owner by the name it has then, and whether for edge/testing alone.
        limit: Option<(usize, bool)>,
        from_here: bool,
        for_an_hour: bool,
    },
    Revoke(usize),
    HalfAnHourGoesBy,
    Remove(usize),
}

/// What every sequence begins with: an account of each kind, so that few changes make a difference.
pub(crate) fn beginning() -> Vec<Step> {
    let token = |owner, scopes, limit| Step::AddToken {
        owner,
        scopes,
        limit,
        from_here: true,
        for_an_hour: false,
    };
    vec![
        Step::LimitCi(3, 1),
        Step::JoinTeam(3, 3, 1),
        Step::LimitCi(4, 3),
        Step::JoinTeam(4, 3, 2),
        Step::SetMember(4, 1, Some(Role::Read)),
        Step::Show(3, 1),
        Step::Show(4, 2),
        Step::Show(2, 2),
        token(0, 5, None),
        token(1, 1, None),
        token(2, 3, Some((4, true))),
        token(3, 1, None),
        token(4, 2, Some((4, true))),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..USERS;
    let organisation = || USERS..OWNERS;
    let owner = || 0..OWNERS;
    let role = prop::option::of(prop_oneof![
        Just(Role::Read),
        Just(Role::Write),
        Just(Role::Admin)
    ]);
    let team = || 0..TEAMS.len();
    let step = prop_oneof![
        4 => (organisation(), user(), role).prop_map(|(o, u, r)| Step::SetMember(o, u, r)),
        4 => (organisation(), team(), user()).prop_map(|(o, t, u)| Step::JoinTeam(o, t, u)),
        2 => (organisation(), team(), user()).prop_map(|(o, t, u)| Step::LeaveTeam(o, t, u)),
        2 => (organisation(), 0..TEAM_LIMITS.len()).prop_map(|(o, l)| Step::LimitCi(o, l)),
        3 => (owner(), 0..VISIBILITIES.len()).prop_map(|(o, v)| Step::Show(o, v)),
        2 => (user(), any::<bool>()).prop_map(|(u, yes)| Step::Disable(u, yes)),
        1 => (user(), any::<bool>()).prop_map(|(u, yes)| Step::SiteAdmin(u, yes)),
        1 => (owner(), 0..NEW_NAMES.len()).prop_map(|(o, n)| Step::Rename(o, n)),
        6 => (
            owner(),
            0..SCOPES.len(),
            prop::option::of((owner(), any::<bool>())),
            prop::bool::weighted(0.8),
            prop::bool::weighted(0.2)
        )
            .prop_map(|(owner, scopes, limit, from_here, for_an_hour)| Step::AddToken {
                owner,
                scopes,
                limit,
                from_here,
                for_an_hour,
            }),
        2 => (0..8_usize).prop_map(Step::Revoke),
        1 => Just(Step::HalfAnHourGoesBy),
        1 => owner().prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 1..24)
}
