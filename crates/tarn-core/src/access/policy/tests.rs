//! The whole table: every kind of owner, visibility, caller, membership, credential and action.

use super::*;
use crate::access::{TokenLimits, networks::Networks, scopes::Scopes};
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::{OwnerId, TokenId, User};

/// A row is what a caller gets: for each of its columns the answers to reading, publishing, deleting and administering, a
/// letter each. The columns are the credentials that the caller comes with:
///
/// 1. a password
/// 2. a token with `read:package`
/// 3. a token with `write:package`
/// 4. a token with `write:package` and `public-only`
/// 5. a token with `delete:package`
/// 6. a token with `write:package` and `no-delete`
/// 7. a token with `admin` alone
///
/// `+` may, `c` credentials are needed (401), `s` the scope is missing (401), `p` a public-only token, `n` no access, `r`
/// read-only, `l` outside the limits of the team, `a` an admin is needed (403 each).
///
/// All of it is asked of edge/main. The limits of `ci-member` have edge/testing alone, those of `edge-member` have edge/*.
const TABLE: &str = "
user public  anonymous       +ccc
user public  stranger        +rra +sss +rrs +rrs +srs +rss sssa
user public  self            ++++ +sss +++s +++s +s+s ++ss sss+
user public  site-admin      ++++ +sss +++s +++s +s+s ++ss sss+
user public  disabled-self   nnnn nnnn nnnn nnnn nnnn nnnn nnnn
user public  disabled-admin  nnnn nnnn nnnn nnnn nnnn nnnn nnnn
user limited anonymous       cccc
user limited stranger        +rra +sss +rrs ppps +srs +rss sssa
user limited self            ++++ +sss +++s ppps +s+s ++ss sss+
user limited site-admin      ++++ +sss +++s ppps +s+s ++ss sss+
user limited disabled-self   nnnn nnnn nnnn nnnn nnnn nnnn nnnn
user private anonymous       cccc
user private stranger        nnnn nsss nnns ppps nsns nnss sssn
user private self            ++++ +sss +++s ppps +s+s ++ss sss+
user private site-admin      ++++ +sss +++s ppps +s+s ++ss sss+
user private disabled-admin  nnnn nnnn nnnn nnnn nnnn nnnn nnnn
org  public  anonymous       +ccc
org  public  stranger        +rra +sss +rrs +rrs +srs +rss sssa
org  public  read-member     +rra +sss +rrs +rrs +srs +rss sssa
org  public  write-member    +++a +sss +++s +++s +s+s ++ss sssa
org  public  ci-member       +lla +sss +lls +lls +sls +lss sssa
org  public  edge-member     +++a +sss +++s +++s +s+s ++ss sssa
org  public  admin-member    ++++ +sss +++s +++s +s+s ++ss sss+
org  public  site-admin      ++++ +sss +++s +++s +s+s ++ss sss+
org  public  disabled-member nnnn nnnn nnnn nnnn nnnn nnnn nnnn
org  public  own-token       .... +sss +++s +++s +s+s ++ss sssa
org  public  other-token     .... +sss +rrs +rrs +srs +rss sssa
org  limited anonymous       cccc
org  limited stranger        +rra +sss +rrs ppps +srs +rss sssa
org  limited read-member     +rra +sss +rrs ppps +srs +rss sssa
org  limited write-member    +++a +sss +++s ppps +s+s ++ss sssa
org  limited ci-member       +lla +sss +lls ppps +sls +lss sssa
org  limited edge-member     +++a +sss +++s ppps +s+s ++ss sssa
org  limited admin-member    ++++ +sss +++s ppps +s+s ++ss sss+
org  limited site-admin      ++++ +sss +++s ppps +s+s ++ss sss+
org  limited own-token       .... +sss +++s ppps +s+s ++ss sssa
org  limited other-token     .... nsss nnns ppps nsns nnss sssa
org  private anonymous       cccc
org  private stranger        nnnn nsss nnns ppps nsns nnss sssn
org  private read-member     +rra +sss +rrs ppps +srs +rss sssa
org  private write-member    +++a +sss +++s ppps +s+s ++ss sssa
org  private ci-member       +lla +sss +lls ppps +sls +lss sssa
org  private edge-member     +++a +sss +++s ppps +s+s ++ss sssa
org  private admin-member    ++++ +sss +++s ppps +s+s ++ss sss+
org  private site-admin      ++++ +sss +++s ppps +s+s ++ss sss+
org  private disabled-member nnnn nnnn nnnn nnnn nnnn nnnn nnnn
org  private disabled-admin  nnnn nnnn nnnn nnnn nnnn nnnn nnnn
org  private own-token       .... +sss +++s ppps +s+s ++ss sssa
org  private other-token     .... nsss nnns ppps nsns nnss sssa
";

const OWNER: i64 = 7;
const CREDENTIALS: [Option<&str>; 7] = [
    None,
    Some("read:package"),
    Some("write:package"),
    Some("write:package,public-only"),
    Some("delete:package"),
    Some("write:package,no-delete"),
    Some("admin"),
];
const ACTIONS: [Action; 4] = [
    Action::Read,
    Action::Publish,
    Action::Delete,
    Action::Administer,
];

fn owner(kind: &str, visibility: &str) -> Owner {
    Owner {
        id: OwnerId::from_row(OWNER),
        kind: if kind == "org" {
            OwnerKind::Organisation
        } else {
            OwnerKind::User
        },
        name: "Acme".to_owned(),
        visibility: visibility.parse().unwrap(),
    }
}

fn team(role: Role, limits: &str) -> TeamGrant {
    TeamGrant {
        role,
        limits: limits.parse().unwrap(),
    }
}

fn teams(who: &str) -> Vec<TeamGrant> {
    match who {
        "read-member" => vec![team(Role::Read, "")],
        "write-member" => vec![team(Role::Read, ""), team(Role::Write, "")],
        "ci-member" => vec![team(Role::Write, "edge/testing")],
        "edge-member" => vec![
            team(Role::Write, "edge/testing"),
            team(Role::Write, "edge/*"),
        ],
        "admin-member" | "disabled-member" => vec![team(Role::Admin, "")],
        _ => Vec::new(),
    }
}

fn token(scopes: &str, limits: &str) -> UsedToken {
    UsedToken {
        id: TokenId::from_row(1),
        label: "ci".to_owned(),
        scopes: scopes.parse::<Scopes>().unwrap(),
        limits: limits.parse::<TokenLimits>().unwrap(),
        networks: Networks::default(),
        expires_at: None,
    }
}

fn caller(who: &str, scopes: Option<&str>, limits: &str) -> Caller {
    let token = scopes.map(|scopes| token(scopes, limits));
    let own = who.ends_with("self") || who == "own-token";
    let id = OwnerId::from_row(if own { OWNER } else { 99 });
    if who.ends_with("-token") {
        return Caller::Organisation(OrganisationToken {
            organisation: Owner {
                id,
                ..owner("org", "private")
            },
            token: token.unwrap(),
        });
    }
    let user = User {
        id,
        name: who.to_owned(),
        visibility: Visibility::Public,
        password_hash: None,
        credential_version: 1,
        admin: matches!(who, "site-admin" | "disabled-admin"),
        disabled: who.starts_with("disabled"),
    };
    let by = token.map_or(By::Password, By::Token);
    match who {
        "anonymous" => Caller::Anonymous,
        _ => Caller::User(SignedIn { user, by }),
    }
}

fn letter(result: Result<(), Denied>, action: Action) -> char {
    match result {
        Ok(()) => '+',
        Err(Denied::NeedsCredentials) => 'c',
        Err(Denied::TokenLacksScope { needed }) => {
            assert_eq!(needed, action.scope());
            's'
        }
        Err(Denied::PublicOnlyToken) => 'p',
        Err(Denied::TokenOutsideLimits) => 't',
        Err(Denied::NoAccess) => 'n',
        Err(Denied::ReadOnly) => 'r',
        Err(Denied::OutsideTeamLimits) => 'l',
        Err(Denied::NotAdmin) => 'a',
        Err(Denied::NotSiteAdmin) => '!',
    }
}

fn edge_main() -> (Branch, RepositoryName) {
    (
        Branch::parse("edge").unwrap(),
        RepositoryName::parse("main").unwrap(),
    )
}

/// The letters for each action, administering without a place.
fn letters(caller: &Caller, owner: &Owner, teams: &[TeamGrant]) -> String {
    let (branch, repository) = edge_main();
    let place = Place {
        branch: &branch,
        repository: &repository,
    };
    ACTIONS
        .into_iter()
        .map(|action| {
            let place = (action != Action::Administer).then_some(place);
            letter(decide(caller, owner, teams, action, place), action)
        })
        .collect()
}

#[test]
fn every_combination_is_decided_as_the_contract_says() {
    let mut rows = 0;
    for row in TABLE.trim().lines() {
        let mut cells = row.split_whitespace();
        let [kind, visibility, who] = [(); 3].map(|()| cells.next().unwrap());
        let owner = owner(kind, visibility);
        for (cell, scopes) in cells.by_ref().zip(CREDENTIALS) {
            if cell == "...." {
                continue;
            }
            assert_eq!(
                letters(&caller(who, scopes, ""), &owner, &teams(who)),
                cell,
                "{kind} {visibility} {who} {scopes:?}"
            );
        }
        let cells = row.split_whitespace().count() - 3;
        assert_eq!(cells, if who == "anonymous" { 1 } else { 7 }, "{row}");
        rows += 1;
    }
    assert_eq!(rows, 49);
}

#[test]
fn a_token_is_bound_by_its_limits_for_every_owner() {
    let owner = owner("org", "public");
    for (limits, expected) in [
        ("acme/*/*", "+++s"),
        ("acme/edge/main", "+++s"),
        ("other/*/* ac*/e*/*", "+++s"),
        ("acme/edge/testing", "ttts"),
        ("other/*/*", "ttts"),
    ] {
        for who in ["site-admin", "admin-member", "own-token"] {
            let caller = caller(who, Some("write:package"), limits);
            assert_eq!(
                letters(&caller, &owner, &teams(who)),
                expected,
                "{who} {limits}"
            );
        }
    }
    for (limits, expected) in [("acme/*/*", "sss+"), ("other/*/*", "ssst")] {
        let caller = caller("site-admin", Some("admin"), limits);
        assert_eq!(letters(&caller, &owner, &[]), expected, "{limits}");
    }
}

#[test]
fn without_a_place_reading_needs_some_of_the_owner_and_writing_all_of_it() {
    let owner = owner("org", "private");
    let asked = |caller: &Caller, teams: &[TeamGrant]| -> String {
        ACTIONS[..3]
            .iter()
            .map(|action| letter(decide(caller, &owner, teams, *action, None), *action))
            .collect()
    };
    let ci = caller("ci-member", None, "");
    assert_eq!(asked(&ci, &teams("ci-member")), "+ll");
    let all = [team(Role::Write, "edge/main */*")];
    assert_eq!(asked(&ci, &all), "+++");
    for (limits, expected) in [
        ("acme/edge/*", "+tt"),
        ("acme/*/*", "+++"),
        ("b/*/*", "ttt"),
    ] {
        let machine = caller("own-token", Some("write:package"), limits);
        assert_eq!(asked(&machine, &[]), expected, "{limits}");
    }
}

#[test]
fn only_administrators_of_the_site_administer_it_and_only_with_the_whole_scope() {
    for (who, scopes, limits, expected) in [
        ("anonymous", None, "", 'c'),
        ("stranger", None, "", '!'),
        ("site-admin", None, "", '+'),
        ("disabled-admin", None, "", 'n'),
        ("site-admin", Some("write:package"), "", 's'),
        ("site-admin", Some("admin"), "", '+'),
        ("site-admin", Some("admin,public-only"), "", 'p'),
        ("site-admin", Some("admin"), "acme/*/*", 't'),
        ("stranger", Some("admin"), "", '!'),
        ("own-token", Some("write:package"), "", '!'),
    ] {
        let result = decide_site(&caller(who, scopes, limits));
        assert_eq!(
            letter(result, Action::Administer),
            expected,
            "{who} {scopes:?}"
        );
    }
}

#[test]
fn teams_mean_nothing_for_a_users_own_packages() {
    for role in [Role::Read, Role::Write, Role::Admin] {
        let teams = [team(role, "")];
        let stranger = caller("stranger", None, "");
        let result = decide(
            &stranger,
            &owner("user", "private"),
            &teams,
            Action::Read,
            None,
        );
        assert_eq!(result, Err(Denied::NoAccess));
    }
}

#[test]
fn the_refusals_say_what_to_do() {
    let needed = Scope::WritePackage;
    assert_eq!(
        Denied::TokenLacksScope { needed }.line(),
        "the token lacks the scope write:package; make one that has it"
    );
}
