//! Lists of people and of what they have, part by part.

use tarn_base::names::TeamName;
use tarn_store::metadata::{Role, Visibility, Window};

use crate::{ACT, World, add_user, name, token};

#[tokio::test]
async fn lists_of_members_teams_and_tokens_come_in_parts() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let acme = name("acme");
    let acme = metadata.add_organisation(&acme, Visibility::Public, alice, &ACT);
    let acme = acme.await.unwrap().id;
    let ci = TeamName::parse("ci").unwrap();
    let add = metadata.add_team(acme, &ci, Role::Write, "", 9, &ACT);
    let ci = add.await.unwrap();
    for user in ["bob", "carol", "dave"] {
        let user = add_user(metadata, user).await;
        let set = metadata.set_member(acme, user, Some(Role::Read), &ACT);
        set.await.unwrap();
        metadata.add_team_member(&ci, user, &ACT).await.unwrap();
    }
    for number in 1..=3u8 {
        let (label, hash) = (number.to_string(), [number; 32]);
        let added = metadata.add_token(token(alice, &label, &hash), &ACT).await;
        added.unwrap();
    }
    let part = |offset, limit| Window { offset, limit };
    // Who is in two teams is one member, with both.
    let members = metadata.members(acme, part(1, 2)).await.unwrap();
    let found: Vec<_> = members
        .entries
        .iter()
        .map(|member| (member.user.name.as_str(), member.role, member.teams.len()))
        .collect();
    let expected = [("bob", Role::Write, 2), ("carol", Role::Write, 2)];
    assert_eq!((found.as_slice(), members.total), (&expected[..], 4));
    let behind = metadata.members(acme, part(4, 2)).await.unwrap();
    assert_eq!((behind.entries.len(), behind.total), (0, 4));

    let teams = metadata.teams(acme, part(2, 2)).await.unwrap();
    let found: Vec<_> = teams
        .entries
        .iter()
        .map(|(team, members)| (team.name.as_str(), *members))
        .collect();
    assert_eq!((found, teams.total), (vec![("admins", 1), ("ci", 3)], 4));
    let in_team = metadata.team_members(&ci, part(2, 2)).await.unwrap();
    assert_eq!(in_team.entries[0].name, "dave");
    assert_eq!((in_team.entries.len(), in_team.total), (1, 3));
    let bob = members.entries[0].user.id;
    let of_bob = metadata.teams_of_user(bob, part(1, 5)).await.unwrap();
    assert_eq!((of_bob.entries.len(), of_bob.total), (1, 2));
    let tokens = metadata.tokens(alice, part(2, 2)).await.unwrap();
    assert_eq!(tokens.entries[0].label, "3");
    assert_eq!((tokens.entries.len(), tokens.total), (1, 3));
}
