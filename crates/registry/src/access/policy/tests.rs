//! The whole table: every kind of owner, visibility, caller, membership, credential and action.

use super::*;
use crate::{
    access::Scopes,
    metadata::{OwnerId, TokenId, User},
};

/// A cell is what a caller gets: `ok`, or the refusal. Its columns are the credentials that the caller comes with, and for
/// each of them reading and writing:
///
/// - a password
/// - a token with `read:package`
/// - a token with `write:package`
/// - a token with `read:package` and `public-only`
/// - a token with `write:package` and `public-only`
///
/// `401c` credentials are needed, `401s` the scope is missing, `403p` a public-only token, `403n` no access, `403r` read-only.
const TABLE: &str = "
user  public  anonymous       ok   401c
user  public  stranger        ok   403r  ok   401s  ok   403r  ok   401s  ok   403r
user  public  self            ok   ok    ok   401s  ok   ok    ok   401s  ok   ok
user  public  site-admin      ok   ok    ok   401s  ok   ok    ok   401s  ok   ok
user  public  disabled-self   403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
user  public  disabled-admin  403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
user  limited anonymous       401c 401c
user  limited stranger        ok   403r  ok   401s  ok   403r  403p 401s  403p 403p
user  limited self            ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
user  limited site-admin      ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
user  limited disabled-self   403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
user  limited disabled-admin  403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
user  private anonymous       401c 401c
user  private stranger        403n 403n  403n 401s  403n 403n  403p 401s  403p 403p
user  private self            ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
user  private site-admin      ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
user  private disabled-self   403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
user  private disabled-admin  403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
org   public  anonymous       ok   401c
org   public  stranger        ok   403r  ok   401s  ok   403r  ok   401s  ok   403r
org   public  read-member     ok   403r  ok   401s  ok   403r  ok   401s  ok   403r
org   public  write-member    ok   ok    ok   401s  ok   ok    ok   401s  ok   ok
org   public  admin-member    ok   ok    ok   401s  ok   ok    ok   401s  ok   ok
org   public  site-admin      ok   ok    ok   401s  ok   ok    ok   401s  ok   ok
org   public  disabled-member 403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
org   public  disabled-admin  403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
org   limited anonymous       401c 401c
org   limited stranger        ok   403r  ok   401s  ok   403r  403p 401s  403p 403p
org   limited read-member     ok   403r  ok   401s  ok   403r  403p 401s  403p 403p
org   limited write-member    ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
org   limited admin-member    ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
org   limited site-admin      ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
org   limited disabled-member 403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
org   limited disabled-admin  403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
org   private anonymous       401c 401c
org   private stranger        403n 403n  403n 401s  403n 403n  403p 401s  403p 403p
org   private read-member     ok   403r  ok   401s  ok   403r  403p 401s  403p 403p
org   private write-member    ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
org   private admin-member    ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
org   private site-admin      ok   ok    ok   401s  ok   ok    403p 401s  403p 403p
org   private disabled-member 403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
org   private disabled-admin  403n 403n  403n 403n  403n 403n  403n 403n  403n 403n
";

const OWNER: i64 = 7;
const CREDENTIALS: [Option<&str>; 5] = [
    None,
    Some("read:package"),
    Some("write:package"),
    Some("read:package,public-only"),
    Some("write:package,public-only"),
];

fn owner(kind: &str, visibility: &str) -> Owner {
    Owner {
        id: OwnerId::from_row(OWNER),
        kind: if kind == "org" {
            OwnerKind::Organisation
        } else {
            OwnerKind::User
        },
        name: "acme".to_owned(),
        visibility: visibility.parse().unwrap(),
    }
}

fn role(who: &str) -> Option<Role> {
    match who {
        "read-member" => Some(Role::Read),
        "write-member" => Some(Role::Write),
        "admin-member" | "disabled-member" => Some(Role::Admin),
        _ => None,
    }
}

fn caller(who: &str, scopes: Option<&str>) -> Caller {
    if who == "anonymous" {
        return Caller::Anonymous;
    }
    let user = User {
        id: OwnerId::from_row(if who.ends_with("self") { OWNER } else { 99 }),
        name: who.to_owned(),
        visibility: Visibility::Public,
        password_hash: None,
        credential_version: 1,
        admin: matches!(who, "site-admin" | "disabled-admin"),
        disabled: who.starts_with("disabled"),
    };
    let by = scopes.map_or(By::Password, |scopes| By::Token {
        id: TokenId::from_row(1),
        scopes: scopes.parse::<Scopes>().unwrap(),
    });
    Caller::User(SignedIn { user, by })
}

fn cell(result: Result<(), Denied>, action: Action) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(Denied::NeedsCredentials) => "401c",
        Err(Denied::TokenLacksScope { needed }) => {
            assert_eq!(needed, action.scope());
            "401s"
        }
        Err(Denied::PublicOnlyToken) => "403p",
        Err(Denied::NoAccess) => "403n",
        Err(Denied::ReadOnly) => "403r",
    }
}

#[test]
fn every_combination_is_decided_as_the_contract_says() {
    let mut rows = 0;
    for row in TABLE.trim().lines() {
        let mut cells = row.split_whitespace();
        let [kind, visibility, who] = [(); 3].map(|()| cells.next().unwrap());
        let owner = owner(kind, visibility);
        for scopes in CREDENTIALS {
            if who == "anonymous" && scopes.is_some() {
                continue;
            }
            for action in [Action::Read, Action::Write] {
                let result = decide(&caller(who, scopes), &owner, role(who), action);
                assert_eq!(
                    cell(result, action),
                    cells.next().unwrap(),
                    "{kind} {visibility} {who} {scopes:?} {action:?}"
                );
            }
        }
        assert_eq!(cells.next(), None, "{row}");
        rows += 1;
    }
    assert_eq!(rows, 3 * (6 + 8));
}

#[test]
fn a_membership_means_nothing_for_a_users_own_packages() {
    for role in [Role::Read, Role::Write, Role::Admin] {
        let result = decide(
            &caller("stranger", None),
            &owner("user", "private"),
            Some(role),
            Action::Read,
        );
        assert_eq!(result, Err(Denied::NoAccess));
    }
}

#[test]
fn the_refusals_say_what_to_do() {
    let needed = Scope::WritePackage;
    assert_eq!(
        Denied::TokenLacksScope { needed }.to_string(),
        "the token lacks the scope write:package; make one that has it"
    );
}
