//! What becomes of each row of a forge. Nothing here asks a registry: the plan is the same whatever is there already.
//!
//! Where the two differ, no one gets more rights than the forge gave, and no account is easier to sign in to than it was there.

mod planned;
mod services;

use std::collections::{BTreeMap, HashMap, HashSet};

use apk::arch::Arch;
use tarn_base::{
    clock::Timestamp,
    names::{Branch, OwnerName, RepositoryName, TeamName},
    printable::is_printable,
    secret::Secret,
};
use tarn_core::access::{Scopes, ScopesError, accounts::MAX_LABEL};
use tarn_store::metadata::{BUILT_IN_TEAMS, ForeignHash, Role, Visibility};

use crate::{
    ImportError,
    forge::{self, Account, File, Forge, Team, Token},
    generator, passwords,
    report::{Kind, Report, shortened},
};

pub use self::planned::{
    PlannedFile, PlannedHook, PlannedOrganisation, PlannedRule, PlannedTeam, PlannedToken,
    PlannedUser,
};

/// `team.authorize` and `team_unit.access_mode` (`models/perm/access_mode.go`).
const MAY_WRITE: i64 = 2;
/// Those who own the organisation.
const OWN: i64 = 4;

/// What becomes of a forge.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of their identifiers.
    pub users: Vec<PlannedUser>,
    /// In the order of their identifiers.
    pub organisations: Vec<PlannedOrganisation>,
    /// In the order of their identifiers.
    pub tokens: Vec<PlannedToken>,
    /// By owner.
    pub signing_keys: BTreeMap<i64, Secret>,
    /// Oldest first.
    pub files: Vec<PlannedFile>,
    /// At most one for an owner.
    pub rules: Vec<PlannedRule>,
    /// In the order of their identifiers.
    pub hooks: Vec<PlannedHook>,
    /// The names of all owners, in the forge.
    pub names: HashMap<i64, String>,
    /// What is left out whatever the registry has, and why.
    pub report: Report,
}

impl Plan {
    /// Plans the import of a forge.
    pub fn of(forge: &Forge) -> Self {
        let names = forge.accounts.iter();
        let names = names.map(|account| (account.id, account.name.clone()));
        let mut plan = Self {
            names: names.collect(),
            signing_keys: forge.signing_keys.clone(),
            ..Self::default()
        };
        for account in &forge.accounts {
            match account.kind {
                forge::PERSON | forge::BOT => plan.user(forge, account),
                forge::ORGANISATION => plan.organisation(forge, account),
                _ => plan.report.left_out(
                    Kind::User,
                    &account.name,
                    "it is a reserved name, or an account of another forge",
                ),
            }
        }
        let users = plan.users.iter().map(|user| user.id);
        let organisations = plan.organisations.iter().map(|each| each.id);
        let known: HashSet<i64> = users.chain(organisations).collect();
        plan.signing_keys.retain(|owner, _| known.contains(owner));
        let mut labels = HashSet::new();
        let tokens = forge.tokens.iter();
        for token in tokens.filter(|token| known.contains(&token.user)) {
            plan.token(token, &mut labels);
        }
        let mut counted = HashSet::new();
        for file in &forge.files {
            // The forges count the downloads of a version, here each file has its own: the first one gets them.
            let counts = counted.insert(file.version);
            plan.file(file, counts, known.contains(&file.owner));
        }
        let rules = forge.rules.iter();
        for rule in rules.filter(|rule| known.contains(&rule.owner)) {
            plan.rule(rule);
        }
        for hook in &forge.hooks {
            plan.hook(hook, known.contains(&hook.owner));
        }
        plan.others(forge);
        plan
    }

    /// Whether the forge has these users and organisations.
    ///
    /// # Errors
    ///
    /// [`ImportError::NoOwner`] with the first name the forge does not have.
    pub fn check_names(&self, names: &[String]) -> Result<(), ImportError> {
        let lacks = |name: &&String| !self.names.values().any(|it| it.eq_ignore_ascii_case(name));
        match names.iter().find(lacks) {
            Some(name) => Err(ImportError::NoOwner(name.clone())),
            None => Ok(()),
        }
    }

    /// The report of a dry run: what is planned, and what became of the packages that were read.
    pub fn planned(&self, packages: Report) -> Report {
        let mut report = self.report.clone();
        let teams = || self.organisations.iter().flat_map(|each| &each.teams);
        let generators = self.users.iter().filter(|user| user.generator.is_some());
        let named = teams().filter(|team| team.name.is_some());
        let members: usize = teams().map(|team| team.members.len()).sum();
        let admins = self.organisations.iter().map(|each| each.admins.len());
        for (kind, count) in [
            (Kind::User, self.users.len()),
            (Kind::SecondFactor, generators.count()),
            (Kind::Token, self.tokens.len()),
            (Kind::Organisation, self.organisations.len()),
            (Kind::Team, named.count()),
            (Kind::Member, members + admins.sum::<usize>()),
            (Kind::SigningKey, self.signing_keys.len()),
            (Kind::Rule, self.rules.len()),
            (Kind::Webhook, self.hooks.len()),
        ] {
            for _ in 0..count {
                report.imported(kind);
            }
        }
        report.add(packages);
        report
    }

    /// What an owner is called in the forge.
    pub(crate) fn name_of(&self, owner: i64) -> String {
        let named = self.names.get(&owner).cloned();
        named.unwrap_or_else(|| format!("account {owner}"))
    }

    fn owner_name(&mut self, kind: Kind, account: &Account) -> Option<OwnerName> {
        match OwnerName::parse(&account.name) {
            Ok(name) if name.is_reserved() => {
                let why = "Tarn needs this name itself; rename it in the forge first";
                self.report.left_out(kind, &account.name, why);
                None
            }
            Ok(name) => Some(name),
            Err(error) => {
                self.report.left_out(kind, &account.name, error.to_string());
                None
            }
        }
    }

    fn visibility(&mut self, forge: &Forge, kind: Kind, account: &Account) -> Visibility {
        match account.visibility {
            0 if forge.settings.sign_in_to_read => {
                let why = "was public in a forge that asks every visitor to sign in (REQUIRE_SIGNIN_VIEW), so it is limited to signed-in users";
                self.report.changed(kind, &account.name, why);
                Visibility::Limited
            }
            0 => Visibility::Public,
            1 => Visibility::Limited,
            _ => Visibility::Private,
        }
    }

    fn user(&mut self, forge: &Forge, account: &Account) {
        let Some(name) = self.owner_name(Kind::User, account) else {
            return;
        };
        let (password_hash, generator) = self.credentials(forge, account);
        let disabled = account.prohibited || !account.active || account.restricted;
        if account.restricted && account.active && !account.prohibited {
            let why = format!(
                "is restricted to what it was given there, which Tarn has no rule for, so it is disabled; `tarn user enable {name}` lets it read all that signed-in users may"
            );
            self.report.changed(Kind::User, &account.name, why);
        } else if disabled {
            let why = "may not sign in there (not active, or prohibited), so it is disabled";
            self.report.changed(Kind::User, &account.name, why);
        }
        let visibility = self.visibility(forge, Kind::User, account);
        self.users.push(PlannedUser {
            id: account.id,
            identity: account.identity(),
            name,
            password_hash,
            generator,
            admin: account.admin,
            disabled,
            visibility,
        });
    }

    /// The hash of the password and the secret of the generator. Where the second factor can't come along, the password doesn't.
    fn credentials(
        &mut self,
        forge: &Forge,
        account: &Account,
    ) -> (Option<Secret>, Option<Secret>) {
        let name = &account.name;
        let without =
            "signs in by tokens until an administrator sets a password with `tarn user password`";
        if !matches!(account.login_type, 0 | 1) && account.kind == forge::PERSON {
            let why = format!(
                "signed in by another service (LDAP, OAuth2, PAM, …), whose passwords the forge doesn't have: {without}"
            );
            self.report.changed(Kind::User, name, why);
            return (None, None);
        }
        let (hash, algorithm, salt) = &account.password;
        let hash = match passwords::phc(hash, algorithm, salt) {
            Ok(hash) => hash,
            Err(why) => {
                self.report
                    .changed(Kind::User, name, format!("{why}: {without}"));
                return (None, None);
            }
        };
        if hash.is_none() {
            if account.kind == forge::PERSON {
                let why = format!("has no password in the forge: {without}");
                self.report.changed(Kind::User, name, why);
            }
            return (None, None);
        }
        match forge.two_factors.get(&account.id) {
            Some(factor) => match generator::open(factor, &forge.settings.secret_key) {
                Some(secret) => {
                    let why = "the scratch code of the forge is not carried over; the user makes recovery codes of their own";
                    self.report.changed(Kind::SecondFactor, name, why);
                    (hash, Some(secret))
                }
                None => {
                    let why = format!(
                        "SECRET_KEY in app.ini does not open the secret, so the password is left out too: {name} {without}"
                    );
                    self.report.left_out(Kind::SecondFactor, name, why);
                    (None, None)
                }
            },
            None if forge.security_keys.contains(&account.id) => {
                let why = format!(
                    "Tarn has no security keys (WebAuthn), so the password is left out too: {name} {without}"
                );
                self.report.left_out(Kind::SecondFactor, name, why);
                (None, None)
            }
            None => (hash, None),
        }
    }

    fn organisation(&mut self, forge: &Forge, account: &Account) {
        let Some(name) = self.owner_name(Kind::Organisation, account) else {
            return;
        };
        let visibility = self.visibility(forge, Kind::Organisation, account);
        let mut admins = Vec::new();
        let mut teams = Vec::new();
        let own = forge.teams.iter();
        for team in own.filter(|team| team.organisation == account.id) {
            if team.authorize >= OWN {
                admins.extend(&team.members);
            } else {
                teams.push(self.team(&name, team));
            }
        }
        self.organisations.push(PlannedOrganisation {
            id: account.id,
            identity: account.identity(),
            name,
            visibility,
            admins,
            teams,
        });
    }

    /// The greater of the two rights counts, as it does for the forges (`determineAccessMode` in `services/context/package.go`).
    /// Who is in any team reads.
    fn team(&mut self, organisation: &OwnerName, team: &Team) -> PlannedTeam {
        let role = match team.authorize.max(team.packages) {
            MAY_WRITE.. => Role::Write,
            _ => Role::Read,
        };
        let own = TeamName::parse(&team.name).ok().filter(|name| {
            let lower = name.lower();
            !BUILT_IN_TEAMS.iter().any(|(name, _)| *name == lower)
        });
        let stands_for_it = |(name, built_in): &(&str, Role)| {
            *built_in == role && name.eq_ignore_ascii_case(&team.name)
        };
        if own.is_none() && !BUILT_IN_TEAMS.iter().any(stands_for_it) {
            let what = format!("{organisation}/{}", team.name);
            let why = "can't be called so here; its members are in the built-in team that may do the same";
            self.report.changed(Kind::Team, what, why);
        }
        PlannedTeam {
            name: own,
            role,
            members: team.members.clone(),
        }
    }

    /// `labels` are those that were given out, each with whose token it is.
    fn token(&mut self, token: &Token, labels: &mut HashSet<(i64, String)>) {
        let what = format!("{}/{}", self.name_of(token.user), token.name);
        let (scopes, kept) = match usable(token) {
            Ok(usable) => usable,
            Err(why) => return self.report.left_out(Kind::Token, what, why),
        };
        let label = label(&token.name);
        let mut is_free = |label: &String| labels.insert((token.user, label.clone()));
        let free = match is_free(&label) {
            true => label,
            false => {
                let numbered = |number: u32| format!("{label} {number}");
                (2..).map(numbered).find(&mut is_free).unwrap_or(label)
            }
        };
        if free != token.name {
            let why = format!("is called `{free}` here");
            self.report.changed(Kind::Token, what, why);
        }
        self.tokens.push(PlannedToken {
            user: token.user,
            label: free,
            kept,
            last_eight: token.last_eight.clone(),
            scopes,
            created_at: Timestamp::from_seconds(token.created),
            last_used_at: (token.used > token.created).then(|| Timestamp::from_seconds(token.used)),
        });
    }

    fn file(&mut self, file: &File, counts_downloads: bool, has_owner: bool) {
        let what = format!(
            "{}/{}/{}",
            self.name_of(file.owner),
            file.place.replace('|', "/"),
            file.name
        );
        let planned = match has_owner {
            true => planned(file, counts_downloads),
            false => Err("its owner is not imported".to_owned()),
        };
        match planned {
            Ok(planned) => self.files.push(planned),
            Err(why) => self.report.left_out(Kind::Package, what, why),
        }
    }
}

/// What a token may be used for and what the forge keeps of it, or why it can't be kept here.
fn usable(token: &Token) -> Result<(Scopes, ForeignHash), String> {
    let scopes = token.scope.parse().map_err(|error| match error {
        ScopesError::GrantsNothing => {
            let scope = shortened(token.scope.clone());
            format!("its scope ({scope}) grants nothing on packages")
        }
        error => format!("its scope is not known here: {error}"),
    })?;
    if !token.all_repositories {
        return Err("it is limited to Git repositories".to_owned());
    }
    let kept = ForeignHash {
        hash: token.hash.expose().to_owned(),
        salt: token.salt.expose().to_owned(),
    };
    if !tarn_core::imports::is_token_hash(&kept) || token.last_eight.len() != 8 {
        let why = "what the forge keeps of it is of a kind that is not known here; make a new one";
        return Err(why.to_owned());
    }
    Ok((scopes, kept))
}

/// The package file, or why it can't be published here.
fn planned(file: &File, counts_downloads: bool) -> Result<PlannedFile, String> {
    let place: Vec<&str> = file.place.split('|').collect();
    let &[branch, repository, arch] = place.as_slice() else {
        return Err("its place is not `branch|repository|architecture`".to_owned());
    };
    if file.sha256.is_empty() {
        return Err("the forge's database says nothing of its bytes".to_owned());
    }
    let downloads = u64::try_from(file.downloads).ok();
    Ok(PlannedFile {
        owner: file.owner,
        creator: file.creator,
        created_at: Timestamp::from_seconds(file.created),
        downloads: downloads.filter(|_| counts_downloads).unwrap_or(0),
        branch: Branch::parse(branch).map_err(|error| error.to_string())?,
        repository: RepositoryName::parse(repository).map_err(|error| error.to_string())?,
        arch: Arch::parse(arch).map_err(|error| error.to_string())?,
        name: file.name.clone(),
        size: u64::try_from(file.size).unwrap_or(0),
        sha256: file.sha256.to_ascii_lowercase(),
    })
}

/// A token's name as a label: what does not show as itself is replaced, what is too long is cut, with room for a number.
fn label(name: &str) -> String {
    let mut label = String::new();
    for letter in name.chars() {
        if name.len() > MAX_LABEL && label.len() + letter.len_utf8() > MAX_LABEL - 4 {
            break;
        }
        label.push(if is_printable(letter) { letter } else { '_' });
    }
    if label.is_empty() {
        "imported".to_owned()
    } else {
        label
    }
}

#[cfg(test)]
mod tests;
