//! Who looks, as far as it decides what they may know of.

use crate::metadata::{Metadata, MetadataError, OwnerId, rows::Joined};
use tarn_base::names::{Branch, RepositoryName};

/// Makes a [`crate::metadata::engine::Statement`] with the parameters of [`visible!`] in front of its own.
macro_rules! sql_in_scope {
    ($text:expr, $read_scope:expr $(, $value:expr)* $(,)?) => {
        $crate::metadata::engine::sql!(
            $text,
            $read_scope.everything,
            $read_scope.limited,
            $read_scope.account,
            $read_scope.owners.as_deref()
            $(, $value)*
        )
    };
}
pub(super) use sql_in_scope;

/// Whether the owner in `$table` is one that the [`ReadScope`] in the parameters `$1` to `$4` may know of.
macro_rules! visible {
    ($table:literal) => {
        concat!(
            "(($1 OR ",
            $table,
            ".visibility = 'public' OR ($2 AND ",
            $table,
            ".visibility = 'limited') OR ",
            $table,
            ".id = $3 OR EXISTS (SELECT 1 FROM teams JOIN team_members ON team_members.team_id = teams.id \
             WHERE teams.organisation_id = ",
            $table,
            ".id AND team_members.user_id = $3)) AND (CAST($4 AS TEXT) IS NULL OR ",
            $table,
            ".id IN (SELECT value FROM json_each($4))))"
        )
    };
}
pub(super) use visible;

/// Whether the row of `repositories` is among those of a [`ReadScope`], which are in the parameter of that number.
macro_rules! repository_in_sight {
    ($parameter:literal) => {
        concat!(
            "(CAST($",
            $parameter,
            " AS TEXT) IS NULL OR repositories.id IN (SELECT value FROM json_each($",
            $parameter,
            ")))"
        )
    };
}
pub(in crate::metadata) use repository_in_sight;

/// Who looks: which owners they may know of, and which repositories of those. `access/` makes one of a caller.
///
/// A list of identifiers is a JSON array in a text: a statement takes no list as a parameter, and a database makes a table of
/// that once for all the rows that it looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadScope {
    pub(super) everything: bool,
    pub(super) limited: bool,
    pub(super) account: Option<OwnerId>,
    pub(super) owners: Option<String>,
    pub(in crate::metadata) repositories: Option<String>,
}

/// What is in `read_scope` by name, for a caller that narrows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InScope<'a> {
    /// The owner's name in lower case.
    pub owner: &'a str,
    /// One of its repositories, or `None` for the owner itself.
    pub repository: Option<(&'a Branch, &'a RepositoryName)>,
}

impl ReadScope {
    /// Only public owners.
    pub const PUBLIC: Self = Self {
        everything: false,
        limited: false,
        account: None,
        owners: None,
        repositories: None,
    };

    /// Every owner.
    pub const EVERYTHING: Self = Self {
        everything: true,
        limited: true,
        ..Self::PUBLIC
    };

    /// Public and limited owners, that user, and the organisations they are in.
    pub const fn of_user(user: OwnerId) -> Self {
        Self {
            limited: true,
            account: Some(user),
            ..Self::PUBLIC
        }
    }

    /// Public owners and that organisation.
    pub const fn of_organisation(organisation: OwnerId) -> Self {
        Self {
            account: Some(organisation),
            ..Self::PUBLIC
        }
    }
}

impl Metadata {
    /// What is left of `read_scope` where `keeps` says so: of the owners that it may know of, and of their repositories, as they
    /// are at this moment. One that comes later is not in read_scope.
    pub async fn narrowed(
        &self,
        read_scope: &ReadScope,
        keeps: impl Fn(InScope<'_>) -> bool + Send,
    ) -> Result<ReadScope, MetadataError> {
        type Found = (i64, String, Joined<(i64, Branch, RepositoryName)>);
        let rows: Vec<Found> = self
            .engine
            .list(sql_in_scope!(
                concat!(
                    "SELECT owners.id AS id, owners.name_lower AS owner, repositories.id AS repository_id, \
                     repositories.branch AS branch, repositories.name AS repository FROM owners \
                     LEFT JOIN repositories ON repositories.owner_id = owners.id WHERE ",
                    visible!("owners"),
                    " ORDER BY owners.id"
                ),
                read_scope
            ))
            .await?;
        let (mut owners, mut repositories) = (Vec::new(), Vec::new());
        let mut last = None;
        for (id, owner, Joined(repository)) in rows {
            let owner = owner.as_str();
            if last != Some(id) {
                last = Some(id);
                let itself = InScope {
                    owner,
                    repository: None,
                };
                if keeps(itself) {
                    owners.push(id);
                }
            }
            let Some((repository_id, branch, name)) = repository else {
                continue;
            };
            let place = InScope {
                owner,
                repository: Some((&branch, &name)),
            };
            if keeps(place) {
                repositories.push(repository_id);
            }
        }
        Ok(ReadScope {
            owners: Some(format!("{owners:?}")),
            repositories: Some(format!("{repositories:?}")),
            ..read_scope.clone()
        })
    }
}
