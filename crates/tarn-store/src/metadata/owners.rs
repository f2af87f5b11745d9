//! Owners, which are users and organisations: what they have in common, and how organisations are made.

use super::{
    Act, Metadata, MetadataError, OwnerId, OwnerKind, Role, VersionRule, Visibility,
    audit::Done,
    engine::{Transaction, sql},
    rows::{row, select},
};
use tarn_base::{clock::Timestamp, names::OwnerName};

/// The teams that every organisation has, with the role of each.
pub const BUILT_IN_TEAMS: [(&str, Role); 3] = [
    ("readers", Role::Read),
    ("writers", Role::Write),
    ("admins", Role::Admin),
];

row! {
    /// The owner of packages: a user or an organisation.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Owner {
        /// Stays the same for as long as the owner is there.
        pub id: OwnerId,
        /// A user or an organisation.
        pub kind: OwnerKind,
        /// As its maker wrote it; compare without regard to case.
        pub name: String,
        /// Who may read.
        pub visibility: Visibility,
    }
}

/// The list of columns of an [`Owner`]. The constants of the catalog have it, which are put together before [`super::rows::row!`] could
/// make it.
macro_rules! owner_columns {
    () => {
        "owners.id, owners.kind, owners.name, owners.visibility"
    };
}
pub(super) use owner_columns;

/// Why an owner was not made.
#[derive(Debug, thiserror::Error)]
pub enum AddOwnerError {
    /// A user or an organisation has that name, perhaps in other letters' case.
    #[error("the name is taken")]
    NameTaken,
    /// The database failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Metadata {
    /// The owner of that name, without regard to case.
    pub async fn owner(&self, name: &OwnerName) -> Result<Option<Owner>, MetadataError> {
        let ask = async |name: &String| {
            self.engine
                .look_up(sql!(
                    select!(owner_columns, "FROM owners WHERE name_lower = $1"),
                    name.as_str()
                ))
                .await
        };
        self.memory.owners.get(name.lower(), ask).await
    }

    /// The owner with that identifier.
    pub async fn owner_by_id(&self, id: OwnerId) -> Result<Option<Owner>, MetadataError> {
        self.engine
            .row(sql!(
                select!(owner_columns, "FROM owners WHERE owners.id = $1"),
                id
            ))
            .await
    }

    /// All owners, by name.
    pub async fn owners(&self) -> Result<Vec<Owner>, MetadataError> {
        self.engine
            .rows(sql!(select!(
                owner_columns,
                "FROM owners ORDER BY name_lower"
            )))
            .await
    }

    /// Makes an organisation with its built-in teams and its first member, an admin of it.
    ///
    /// # Errors
    ///
    /// When the name is taken, the user is not there ([`MetadataError::Missing`]), or the database fails.
    pub async fn add_organisation(
        &self,
        name: &OwnerName,
        visibility: Visibility,
        first_admin: OwnerId,
        act: &Act<'_>,
    ) -> Result<Owner, AddOwnerError> {
        let mut transaction = self.engine.write().await?;
        let new = (name, visibility);
        let made = insert_organisation(&mut transaction, new, first_admin, act).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Changes who may read what an owner has. `false` when it was so already; nothing was changed then.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn set_visibility(
        &self,
        owner: OwnerId,
        visibility: Visibility,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let changed = change_visibility(&mut transaction, owner, visibility, act).await?;
        if changed {
            transaction.commit().await?;
        }
        Ok(changed)
    }

    /// The rule about versions that is an owner's own. `None`: the server's holds.
    pub async fn version_rule(&self, owner: OwnerId) -> Result<Option<VersionRule>, MetadataError> {
        let statement = sql!("SELECT versions FROM owners WHERE id = $1", owner);
        let rule: Option<Option<VersionRule>> = self.engine.look_up(statement).await?;
        Ok(rule.flatten())
    }

    /// Gives an owner a rule about versions, or with `None` the server's. `false` when it was so already; nothing was
    /// changed then.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn set_version_rule(
        &self,
        owner: OwnerId,
        rule: Option<VersionRule>,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let kind = transaction.lock_owner(owner).await?.kind;
        let before = sql!("SELECT versions FROM owners WHERE id = $1", owner);
        let before = transaction.one("owner", before).await?;
        if before == rule {
            return Ok(false);
        }
        let statement = sql!("UPDATE owners SET versions = $2 WHERE id = $1", owner, rule);
        transaction.run_one("owner", statement).await?;
        let said = |rule: Option<VersionRule>| rule.map_or("the server's", VersionRule::as_str);
        let detail = format!("from {} to {}", said(before), said(rule));
        let action = match kind {
            OwnerKind::User => "user.versions",
            OwnerKind::Organisation => "org.versions",
        };
        let done = Done::of(owner, action, "").with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }
}

/// Changes who may read what an owner has, as a part of a transaction. `false` when it was so already.
pub(super) async fn change_visibility(
    transaction: &mut Transaction,
    owner: OwnerId,
    visibility: Visibility,
    act: &Act<'_>,
) -> Result<bool, MetadataError> {
    let before = transaction.lock_owner(owner).await?;
    if before.visibility == visibility {
        return Ok(false);
    }
    let statement = sql!(
        "UPDATE owners SET visibility = $2 WHERE id = $1",
        owner,
        visibility
    );
    transaction.run_one("owner", statement).await?;
    let detail = format!("from {} to {visibility}", before.visibility);
    let action = match before.kind {
        OwnerKind::User => "user.visibility",
        OwnerKind::Organisation => "org.visibility",
    };
    let done = Done::of(owner, action, "").with(Some(&detail));
    transaction.note(act, done).await?;
    Ok(true)
}

impl Transaction {
    /// Whether an owner had that name.
    pub(super) async fn is_former_name(&mut self, name: &OwnerName) -> Result<bool, MetadataError> {
        self.any(sql!(
            "SELECT owner_id FROM former_names WHERE name_lower = $1",
            name.lower()
        ))
        .await
    }

    /// An owner, whose row is changed into itself: of two transactions about one owner, the second waits for the first
    /// on engines that let several write at once.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is none.
    pub(super) async fn lock_owner(&mut self, owner: OwnerId) -> Result<Owner, MetadataError> {
        let locked = sql!(
            concat!(
                "UPDATE owners SET created_at = created_at WHERE id = $1 RETURNING ",
                owner_columns!()
            ),
            owner
        );
        self.one("owner", locked).await
    }
}

/// Makes an organisation in a transaction, with its built-in teams, its first admin and the note of it.
pub(super) async fn insert_organisation(
    transaction: &mut Transaction,
    (name, visibility): (&OwnerName, Visibility),
    first_admin: OwnerId,
    act: &Act<'_>,
) -> Result<Owner, AddOwnerError> {
    let kind = OwnerKind::Organisation;
    let id = insert_owner(transaction, kind, name, visibility, act.at).await?;
    for (team, role) in BUILT_IN_TEAMS {
        let statement = sql!(
            "INSERT INTO teams (organisation_id, name, name_lower, role, limits, built_in, created_at) \
                     VALUES ($1, $2, $2, $3, '', TRUE, $4)",
            id,
            team,
            role,
            act.at
        );
        transaction.run_one("team", statement).await?;
    }
    let statement = sql!(
        "INSERT INTO team_members (team_id, user_id, added_at) \
                 SELECT teams.id, users.owner_id, $4 FROM teams, users WHERE teams.organisation_id = $1 \
                 AND teams.built_in = TRUE AND teams.role = $3 AND users.owner_id = $2",
        id,
        first_admin,
        Role::Admin,
        act.at
    );
    transaction.run_one("user", statement).await?;
    let done = Done::of(id, "org.add", name.as_str()).with(Some(visibility.as_str()));
    transaction.note(act, done).await?;
    Ok(Owner {
        id,
        kind,
        name: name.as_str().to_owned(),
        visibility,
    })
}

/// Makes the row that users and organisations share.
pub(super) async fn insert_owner(
    transaction: &mut Transaction,
    kind: OwnerKind,
    name: &OwnerName,
    visibility: Visibility,
    now: Timestamp,
) -> Result<OwnerId, AddOwnerError> {
    let id = transaction
        .row(sql!(
            "INSERT INTO owners (kind, name, name_lower, visibility, created_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (name_lower) DO NOTHING RETURNING id",
            kind,
            name.as_str(),
            name.lower(),
            visibility,
            now
        ))
        .await?
        .ok_or(AddOwnerError::NameTaken)?;
    // Looked at afterwards: an owner that gives a name up holds it until it is a former one.
    if transaction.is_former_name(name).await? {
        return Err(AddOwnerError::NameTaken);
    }
    Ok(id)
}
