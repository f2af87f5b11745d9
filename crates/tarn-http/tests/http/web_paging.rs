//! Lists that grow: each page shows a part of them, and links to the parts beside it.

use std::collections::BTreeSet;

use tarn_base::names::{OwnerName, TeamName};
use tarn_store::metadata::{KeyType, NewToken, NewUser, OwnerId, Role, Visibility};

use crate::{
    browser::{Browser, between},
    client::Answer,
    pages::is_page,
    server::{BY, TestServer, name, package},
};

/// How many entries a page has.
const PAGE: usize = 30;

/// More than that.
const MANY: usize = 60;

/// An organisation with many members, all in one of its many teams, and many tokens; and many organisations, of all of which `alice`
/// is an admin, and of the server.
async fn grown() -> TestServer {
    let server = TestServer::with_hello().await;
    let metadata = server.registry.metadata();
    let act = BY.at(server.clock.now());
    let alice = metadata.user(&name("alice")).await.unwrap().unwrap().id;
    let accounts = server.accounts();
    accounts.set_admin(&name("alice"), true, &BY).await.unwrap();
    let add = async |organisation: &str| {
        let organisation = OwnerName::parse(organisation).unwrap();
        let added = metadata.add_organisation(&organisation, Visibility::Public, alice, &act);
        added.await.unwrap().id
    };
    let acme = add("acme").await;
    let crowd = TeamName::parse("crowd").unwrap();
    let add_team = async |team: &TeamName| {
        let added = metadata.add_team(acme, team, Role::Read, "", 1_000, &act);
        added.await.unwrap()
    };
    let crowd = add_team(&crowd).await;
    for number in 0..MANY {
        add(&format!("org-{number:02}")).await;
        add_team(&TeamName::parse(&format!("team-{number:02}")).unwrap()).await;
        let user = OwnerName::parse(&format!("user-{number:02}")).unwrap();
        let new = NewUser {
            name: &user,
            password_hash: None,
            admin: false,
            visibility: Visibility::Public,
        };
        let user = metadata.add_user(new, &act).await.unwrap().id;
        metadata.add_team_member(&crowd, user, &act).await.unwrap();
        for owner in [alice, acme] {
            add_token(&server, owner, number).await;
        }
    }
    server
}

async fn add_token(server: &TestServer, owner: OwnerId, number: usize) {
    let mut hash = [u8::try_from(number).unwrap(); 32];
    hash[0] = u8::try_from(owner.number()).unwrap();
    let new = NewToken {
        owner,
        label: &format!("token-{number:02}"),
        hash: &hash,
        scopes: "read:package",
        limits: "",
        networks: "",
        expires_at: None,
        at_most: 1_000,
    };
    let metadata = server.registry.metadata();
    let act = BY.at(server.clock.now());
    metadata.add_token(new, &act).await.unwrap();
}

/// The names in the first column of a page's list.
fn names(page: &str) -> Vec<&str> {
    let cells = page.split("<td class=\"name\">").skip(1);
    let cells = cells.map(|cell| cell.split("</td>").next().unwrap());
    cells
        .map(|cell| match cell.split_once("\">") {
            Some((_, rest)) => rest.split('<').next().unwrap(),
            None => cell.split('<').next().unwrap(),
        })
        .collect()
}

fn link<'t>(page: &'t str, relation: &str) -> Option<&'t str> {
    let (_, rest) = page.split_once(&format!("<a rel=\"{relation}\" href=\""))?;
    rest.split('"').next()
}

#[tokio::test]
async fn every_list_that_grows_is_cut_into_pages() {
    let server = grown().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    for (path, total) in [
        ("/-/owners/acme/members", MANY + 1),
        // And the built-in ones, and `crowd`.
        ("/-/owners/acme/teams", MANY + 4),
        ("/-/owners/acme/teams/crowd", MANY),
        ("/-/owners/acme/tokens", MANY),
        ("/-/settings/tokens", MANY),
        ("/-/admin/accounts", MANY + 1),
        ("/-/admin/organisations", MANY + 1),
        ("/-/owners", 2 * MANY + 2),
    ] {
        let mut found = BTreeSet::new();
        let (mut here, mut pages) = (path.to_owned(), 0);
        let mut before: Option<String> = None;
        loop {
            let answer = browser.get(&here).await.expect(200);
            is_page(&answer);
            let text = answer.text();
            pages += 1;
            let names = names(&text);
            assert!(
                !names.is_empty() && names.len() <= PAGE,
                "{here}: {names:?}"
            );
            found.extend(names.into_iter().map(str::to_owned));
            let of = format!("Page {pages} of {}", total.div_ceil(PAGE));
            assert!(text.contains(&of), "{here} is not {of}");
            assert_eq!(link(&text, "prev").map(str::to_owned), before, "{here}");
            before = Some(format!("{path}?page={pages}"));
            match link(&text, "next") {
                Some(next) => next.clone_into(&mut here),
                None => break,
            }
        }
        assert_eq!(found.len(), total, "{path}: {found:?}");
        // Behind the last page, and where no number is.
        let behind = browser.get(&format!("{path}?page=77")).await.expect(200);
        let last = format!("{path}?page={pages}");
        assert_eq!(link(&behind.text(), "prev"), Some(&*last));
        let first = browser.get(&format!("{path}?page=x")).await.expect(200);
        assert_eq!(names(&first.text()).len(), PAGE, "{path}");
    }
    // One is in as many teams of other organisations.
    let page = browser.get("/-/settings/organisations?page=3").await;
    assert_eq!(names(&page.expect(200).text()).len(), MANY + 1 - 2 * PAGE);
    let found = browser.get("/-/owners?name=USER-5").await.expect(200);
    assert_eq!(names(&found.text()).len(), 10);
}

#[tokio::test]
async fn a_form_in_a_list_returns_to_its_page() {
    let server = grown().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    for (path, form, fields, gone) in [
        (
            "/-/owners/acme/members",
            "remove",
            ("user", "user-55"),
            "user-55",
        ),
        (
            "/-/owners/acme/teams/crowd",
            "members/remove",
            ("user", "user-56"),
            "user-56",
        ),
        (
            "/-/settings/tokens",
            "revoke",
            ("label", "token-57"),
            "token-57",
        ),
    ] {
        let second = format!("{path}?page=2");
        let page = browser.text(&second).await;
        assert!(names(&page).contains(&gone), "{page}");
        let form = format!("{path}/{form}?page=2");
        assert!(page.contains(&format!("action=\"{form}\"")), "{page}");
        let answer: Answer = browser.expect(&form, &[fields], 303).await;
        assert_eq!(answer.header("Location"), Some(&*second));
        let page = browser.text(&second).await;
        assert!(!names(&page).contains(&gone), "{page}");
    }
}

#[tokio::test]
async fn all_messages_of_a_webhook_can_be_seen() {
    let server = TestServer::start().await;
    let mut browser = Browser::signed_in(&server, "alice").await;
    let fields = [
        ("url", "https://hooks.test/x"),
        ("event", "published"),
        ("secret", "mine"),
    ];
    let added = browser
        .expect("/-/owners/alice/webhooks", &fields, 303)
        .await;
    let one = added.header("Location").unwrap().to_owned();
    // A page has few of them.
    let on_page = 10;
    for number in 0..=on_page {
        let package = package(&format!("package-{number}"), "x86_64");
        server.publish("edge/main", package).await.expect(201);
    }
    let page = browser.text(&one).await;
    assert_eq!(names(&page).len(), on_page);
    let next = link(&page, "next").unwrap();
    let page = browser.text(next).await;
    assert_eq!(names(&page).len(), 1);
    let place = between(
        &page,
        "<nav class=\"pages\" aria-label=\"Pages\">",
        "</nav>",
    );
    assert!(place.contains("Page 2 of 2 · 11 messages"), "{place}");
}

#[tokio::test]
async fn retired_keys_are_cut_on_the_page_of_their_owner() {
    let server = TestServer::with_hello().await;
    let metadata = server.registry.metadata();
    let alice = metadata.owner(&name("alice")).await.unwrap().unwrap();
    let keys = server.registry.keys();
    let mut old = None;
    for _ in 0..5 {
        let new = keys.rotate(&alice, KeyType::EcP256, &BY).await.unwrap();
        if let Some(old) = old.replace(new.name) {
            keys.retire(&alice, &old, &BY).await.unwrap();
        }
    }
    let mut browser = Browser::signed_in(&server, "alice").await;
    let page = browser.text("/alice").await;
    assert_eq!(page.matches("<dt>Retired").count(), 3, "{page}");
    assert!(page.contains("and 1 more retired"), "{page}");
    let all = browser.get("/-/owners/alice/keys").await.expect(200);
    assert_eq!(all.text().matches(">retired<").count(), 4);
}
