//! The teams of an organisation and who is in them.

use std::collections::HashSet;

use tarn_base::names::{OwnerName, TeamName};
use tarn_core::access::{AccountError, TeamLimits};
use tarn_store::metadata::{BUILT_IN_TEAMS, Imported, ImportedKind, OwnerId, Role, Window};

use super::not_made;
use crate::{
    ImportError,
    plan::{Plan, PlannedOrganisation, PlannedTeam},
    report::{Ended, Kind, Report},
    run::{Run, thing},
};

/// Since when a team is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It came with this run.
    New,
    /// It came with an earlier one.
    Earlier,
    /// From before any import.
    Here,
}

impl Run<'_> {
    pub(super) async fn team(
        &self,
        planned: &PlannedOrganisation,
        team: &PlannedTeam,
        plan: &Plan,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let of_role = |(_, role): &&(&str, Role)| *role == team.role;
        let built_in = BUILT_IN_TEAMS.iter().find(of_role).map(|(name, _)| *name);
        let built_in = built_in.and_then(|name| TeamName::parse(name).ok());
        let organisation = self.known.owners.get(&planned.id);
        // It may be called otherwise here than in the forge.
        let here = organisation.and_then(|it| Some((it.id, OwnerName::parse(&it.name).ok()?)));
        let (Some(name), Some((id, organisation))) = (team.name.clone().or(built_in), here) else {
            return Ok(());
        };
        let mut origin = match planned.id {
            id if self.known.new.contains(&id) => Origin::New,
            id if self.known.earlier.contains(&id) => Origin::Earlier,
            _ => Origin::Here,
        };
        if team.name.is_some() {
            // A team that another forge brought is not this one's, and may have other rights.
            let known_as = format!("{} of {}", name.lower(), planned.identity);
            let thing = thing(ImportedKind::Team, &known_as, id);
            let place = (&organisation, &name);
            let (found, ended) = self.named_team(place, team.role, &thing).await?;
            report.ended(Kind::Team, format!("{organisation}/{name}"), ended);
            let Some(found) = found else {
                return Ok(());
            };
            origin = found;
            // What was here before any import never becomes the forge's.
            if origin != Origin::Here {
                self.remember(thing).await?;
            }
        }
        let accounts = self.registry.administration().accounts();
        let members = accounts.team_members(&organisation, &name, Window::ALL);
        let members = members.await?.entries;
        let members: HashSet<OwnerId> = members.iter().map(|user| user.id).collect();
        for member in &team.members {
            let what = format!(
                "{} in {organisation}/{name}",
                self.known.name_of(plan, *member)
            );
            let Some((user, user_name)) = self.known.users.get(member) else {
                report.left_out(Kind::Member, what, "the user is not imported");
                continue;
            };
            let membership = format!("{}/{user}", name.lower());
            let thing = thing(ImportedKind::Member, &membership, id);
            let add = async || {
                if origin == Origin::Here {
                    return Ok(Ended::left_out(format!(
                        "the team existed here before the import; to add the user, run `tarn org team member {organisation} {name} {user_name}`"
                    )));
                }
                accounts
                    .add_team_member(&organisation, &name, user_name, self.by)
                    .await?;
                Ok(Ended::Imported)
            };
            let ended = match self.settle(thing, members.contains(user), add).await? {
                // Who made the organisation is in a team of it before this.
                Ended::There if origin == Origin::New => Ended::Imported,
                ended => ended,
            };
            report.ended(Kind::Member, what, ended);
        }
        Ok(())
    }

    /// Finds or makes a team that is not built in. Without an origin the team is not imported.
    async fn named_team(
        &self,
        (organisation, name): (&OwnerName, &TeamName),
        role: Role,
        thing: &Imported,
    ) -> Result<(Option<Origin>, Ended), ImportError> {
        let accounts = self.registry.administration().accounts();
        match accounts.find_team(organisation, name).await {
            Ok(_) => {
                let imports = self.registry.administration().imports();
                let origin = match imports.knows(thing).await? {
                    true => Origin::Earlier,
                    false => Origin::Here,
                };
                return Ok((Some(origin), Ended::There));
            }
            Err(AccountError::NoTeam { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if self.is_deleted(thing).await? {
            return Ok((None, Ended::Deleted));
        }
        let limits = TeamLimits::default();
        let made = accounts.add_team(organisation, name, role, &limits, self.by);
        match made.await {
            Ok(_) => Ok((Some(Origin::New), Ended::Imported)),
            Err(error) => Ok((None, not_made(error)?)),
        }
    }
}
