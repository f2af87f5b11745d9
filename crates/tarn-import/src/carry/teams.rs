//! The teams of an organisation and who is in them.

use std::collections::HashSet;

use tarn_base::names::{OwnerName, TeamName};
use tarn_core::access::{AccountError, TeamLimits};
use tarn_store::metadata::{BUILT_IN_TEAMS, Imported, ImportedKind, OwnerId, Role, Window};

use super::{DELETED, Run, thing};
use crate::{
    ImportError,
    plan::{Plan, PlannedOrganisation, PlannedTeam},
    report::Kind,
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
        &mut self,
        planned: &PlannedOrganisation,
        team: &PlannedTeam,
        plan: &Plan,
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
            let Some(found) = self
                .named_team((&organisation, &name), team.role, &thing)
                .await?
            else {
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
            let Some((user, user_name)) = self.known.users.get(member).cloned() else {
                self.report
                    .left_out(Kind::Member, what, "the user is not imported");
                continue;
            };
            let membership = format!("{}/{user}", name.lower());
            let thing = thing(ImportedKind::Member, &membership, id);
            if members.contains(&user) {
                // Who made the organisation is in a team of it before this.
                match origin {
                    Origin::New => self.report.imported(Kind::Member),
                    _ => self.report.there(Kind::Member),
                }
            } else if self.is_deleted(&thing).await? {
                self.report.left_out(Kind::Member, what, DELETED);
                continue;
            } else if origin != Origin::Here {
                let accounts = self.registry.administration().accounts();
                accounts
                    .add_team_member(&organisation, &name, &user_name, self.by)
                    .await?;
                self.report.imported(Kind::Member);
            } else {
                let why = format!(
                    "the team existed here before the import; to add the user, run `tarn org team member {organisation} {name} {user_name}`"
                );
                self.report.left_out(Kind::Member, what, why);
                continue;
            }
            self.remember(thing).await?;
        }
        Ok(())
    }

    /// Finds or makes a team that is not built in. `None` when it stays away.
    async fn named_team(
        &mut self,
        (organisation, name): (&OwnerName, &TeamName),
        role: Role,
        thing: &Imported,
    ) -> Result<Option<Origin>, ImportError> {
        let accounts = self.registry.administration().accounts();
        let what = || format!("{organisation}/{name}");
        match accounts.find_team(organisation, name).await {
            Ok(_) => {
                self.report.there(Kind::Team);
                let imports = self.registry.administration().imports();
                return Ok(Some(match imports.knows(thing).await? {
                    true => Origin::Earlier,
                    false => Origin::Here,
                }));
            }
            Err(AccountError::NoTeam { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if self.is_deleted(thing).await? {
            self.report.left_out(Kind::Team, what(), DELETED);
            return Ok(None);
        }
        let limits = TeamLimits::default();
        let made = accounts
            .add_team(organisation, name, role, &limits, self.by)
            .await;
        if let Err(error) = made {
            self.not_made(Kind::Team, &what(), error)?;
            return Ok(None);
        }
        self.report.imported(Kind::Team);
        Ok(Some(Origin::New))
    }
}
