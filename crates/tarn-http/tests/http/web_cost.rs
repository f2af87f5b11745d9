//! What a page costs: queries of the database, and bytes.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use apk_testkit::v2::PackageBuilder;
use tarn_base::secret::Secret;
use tarn_store::metadata::Visibility;

use crate::{
    browser::{Browser, between},
    client::{Answer, delete, get},
    pages::{is_page, page},
    server::{ALICE, BY, TestServer, name, password},
    web_access::{route_of, routes},
};

/// Routes that answer with no page, or with one that was looked at under another route.
const UNCOUNTED: [&str; 8] = [
    "/-/login/code",
    "/-/static/{file}",
    "/-/{*rest}",
    "/robots.txt",
    "/{owner}/-/packages",
    "/{owner}/-/packages/alpine/{name}",
    "/{owner}/-/packages/alpine/{name}/{version}",
    "/{owner}/{branch}",
];

/// The most bytes of a page before it is compressed.
pub(crate) const LARGEST: usize = 60_000;

/// What the packages here are for, in turns.
const ARCHITECTURES: [&str; 4] = ["x86_64", "aarch64", "noarch", "riscv64"];

/// Characters that are longest once they are escaped.
const HOSTILE: &str = "<\"&'>";

#[tokio::test]
async fn a_page_asks_for_what_it_shows_and_little_else() {
    let server = TestServer::with_hello().await;
    let accounts = server.accounts();
    accounts.set_admin(&name("alice"), true, &BY).await.unwrap();
    server.add_organisation("acme", Visibility::Public).await;
    let mut alice = Browser::signed_in(&server, "alice").await;
    let webhook = [("url", "https://hooks.test/x"), ("event", "published")];
    let added = alice.post("/-/owners/alice/webhooks", &webhook).await;
    added.expect(200);
    let rule = [("pattern", "edge/*"), ("days", "30"), ("keep", "0")];
    let added = alice.post("/-/owners/alice/expiry", &rule).await;
    added.expect(303);
    let mut anonymous = Browser::new(&server);
    let routes = routes();
    let mut uncounted: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
    // How many lists each page shows; two more are for what is around it.
    for (path, lists) in [
        // Owners, what is new, and where that is.
        ("/", 3),
        ("/?q=hello", 2),
        // Repositories, new versions and where they are, usage and what waits to be freed.
        ("/alice", 5),
        // The state of the indexes, packages.
        ("/alice/edge/main", 2),
        ("/alice/edge/main?name=ell&sort=newest", 2),
        // And whether few packages have that source.
        ("/alice/edge/main?origin=hello", 3),
        // The repository, versions, fields, depends, required by.
        ("/alice/edge/main/hello", 5),
        ("/alice/edge/main/hello/1.0-r0", 5),
        ("/alice/edge/main/hello/1.0-r0/x86_64", 5),
        // The repository, versions, the file.
        ("/alice/edge/main/hello/1.0-r0/x86_64/contents", 3),
        ("/alice/-/feed.atom", 1),
        ("/alice/edge/main/-/feed.atom", 2),
        ("/-/login", 0),
        ("/-/upload/alice", 0),
        // The repository, the file.
        ("/-/delete/alice/edge/main/x86_64/hello-1.0-r0.apk", 2),
        ("/-/owners", 1),
        ("/-/owners/acme/members", 1),
        ("/-/owners/acme/teams", 1),
        ("/-/owners/acme/tokens", 1),
        // The team and its members.
        ("/-/owners/acme/teams/readers", 2),
        ("/-/settings", 0),
        ("/-/settings/password", 0),
        ("/-/settings/sessions", 1),
        ("/-/settings/tokens", 1),
        ("/-/settings/second-factor", 1),
        ("/-/settings/organisations", 1),
        ("/-/owners/alice", 1),
        ("/-/owners/alice/keys", 1),
        ("/-/owners/alice/deleted", 1),
        ("/-/owners/alice/expiry", 1),
        // The rules, for the page and for the preview; repositories and packages.
        ("/-/owners/alice/expiry?preview=yes", 4),
        ("/-/owners/alice/usage", 2),
        ("/-/owners/alice/webhooks", 1),
        // The webhook, its messages.
        ("/-/owners/alice/webhooks/1", 2),
        ("/-/owners/alice/audit", 1),
        ("/-/owners/alice/audit/export", 1),
        // Accounts, messages.
        ("/-/admin", 3),
        ("/-/admin/accounts", 1),
        ("/-/admin/accounts/alice", 3),
        ("/-/admin/organisations", 1),
        ("/-/admin/audit", 1),
        ("/-/admin/audit/export", 1),
        ("/-/admin/settings", 0),
    ] {
        // What every request needs is in memory after the first, and what the
        // server asks for itself now and then is not of the page.
        let viewer = match path {
            "/-/login" => &mut anonymous,
            _ => &mut alice,
        };
        uncounted.remove(route_of(&routes, path).unwrap());
        viewer.get(path).await.expect(200);
        let mut fewest = u64::MAX;
        for _ in 0..50 {
            let before = server.registry.metadata().questions();
            viewer.get(path).await.expect(200);
            fewest = fewest.min(server.registry.metadata().questions() - before);
            if fewest <= lists + 2 {
                break;
            }
        }
        assert!(fewest <= lists + 2, "{path}: {fewest} queries");
    }
    assert_eq!(Vec::from_iter(uncounted), UNCOUNTED);
}

/// A page, which is not too large.
async fn small(server: &TestServer, path: &str) -> Answer {
    let answer = server.send(&page(path)).await.expect(200);
    is_page(&answer);
    answer
}

/// The paths in the first column of a list.
fn names(text: &str) -> impl Iterator<Item = String> {
    let rows = text.split(" class=\"name\"").skip(1);
    let links = rows.map(|row| row.split_once("<a href=\"").unwrap().1);
    links.map(|link| link.split('"').next().unwrap().to_owned())
}

/// The path of the next page, if there is one.
fn next(text: &str, path: &str) -> Option<String> {
    let (_, link) = text.split_once("rel=\"next\" href=\"")?;
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    let link = link.split('#').next().unwrap();
    let next = match link.starts_with('?') {
        true => format!("{}{link}", path.split('?').next().unwrap()),
        false => link.to_owned(),
    };
    assert_ne!(next, path);
    Some(next)
}

#[tokio::test]
async fn no_page_is_large_whatever_packages_say() {
    const PACKAGES: usize = 130;
    let server = TestServer::start().await;
    let long = "x".repeat(90);
    let mut lists = PackageBuilder::new("lists", "1.0-r0").arch("x86_64");
    for number in 0..1_100 {
        lists = lists.field("depend", &format!("{long}{number}"));
    }
    lists = lists.field("provides", &format!("so:{long}=1"));
    for number in 0..300 {
        lists = lists.file(&format!("{}{number}", HOSTILE.repeat(18)), b"x");
    }
    let packages = (0..PACKAGES).map(|number| {
        PackageBuilder::new(&format!("{long}{number:03}"), "1.0-r0")
            .arch(ARCHITECTURES[number % 4])
            .field("origin", "lists")
            .field("pkgdesc", &HOSTILE.repeat(300))
            .field("depend", &format!("so:{long}"))
            .build()
    });
    for package in packages.chain([lists.build()]) {
        server.publish("edge/main", package).await.expect(201);
    }
    for number in 0..60 {
        let package = PackageBuilder::new("hello", "1.0-r0")
            .arch("x86_64")
            .build();
        let place = format!("v3.{number}/main");
        server.publish(&place, package).await.expect(201);
    }
    // What is in memory is shown.
    for arch in ["x86_64", "aarch64", "riscv64"] {
        for file in ["APKINDEX.tar.gz", "Packages.adb"] {
            let path = format!("/api/packages/alice/alpine/edge/main/{arch}/{file}");
            server.send(&get(path)).await.expect(200);
        }
    }
    for (first, expected) in [
        ("/alice/edge/main", PACKAGES + 1),
        ("/alice/edge/main?sort=newest", PACKAGES + 1),
        ("/alice", 61),
    ] {
        let (mut found, mut path) = (Vec::new(), Some(first.to_owned()));
        while let Some(here) = path {
            let text = small(&server, &here).await.text();
            // Below the repositories are new versions.
            let list = text.split("<h2>Recently published").next().unwrap();
            found.extend(names(list));
            path = next(&text, &here);
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), expected, "{first}");
    }
    for path in [
        "/",
        "/?q=xxx",
        "/alice/edge/main/lists",
        &format!("/alice/edge/main/{long}000"),
    ] {
        small(&server, path).await;
    }
    let text = small(&server, "/alice/edge/main/lists").await.text();
    assert!(text.contains("<p class=\"soft\">and "), "{text}");
    // Every file is on one page of the contents.
    let path = "/alice/edge/main/lists/1.0-r0/x86_64/contents";
    let (mut files, mut path) = (0, Some(path.to_owned()));
    while let Some(here) = path {
        let text = small(&server, &here).await.text();
        files += text.matches("<td class=\"path\">").count();
        path = next(&text, &here);
    }
    assert_eq!(files, 300);
}

/// As many sessions, tokens, teams, rules, webhooks and deleted packages of alice as there may be, or fill a page, with the longest texts.
async fn fill(server: &TestServer, alice: &mut Browser<'_>) {
    let agent = HOSTILE.repeat(40);
    let browser = tarn_core::access::Browser {
        address: Ipv4Addr::LOCALHOST.into(),
        agent: &agent,
    };
    for _ in 1..50 {
        let secret = Secret::new(password("alice"));
        let access = server.registry.access();
        access.sign_in("alice", &secret, &browser).await.unwrap();
    }
    let patterns = |owner: &str| {
        let pattern = |number| format!("{owner}{}*{number}/{}*", "b".repeat(60), "r".repeat(62));
        (0..64).map(pattern).collect::<Vec<_>>().join(" ")
    };
    let networks = (0..64).map(|number| format!("2001:db8:1111:2222:3333:4444:{number:x}::/112"));
    let networks = networks.collect::<Vec<_>>().join(" ");
    let page = alice.get("/-/settings/tokens").await.text();
    // Every text field of the page is filled, also one that is added later.
    let inputs = page.split("<input type=\"text\" ").skip(1);
    let texts = inputs.map(|input| between(input, "name=\"", "\""));
    for number in 0..30 {
        let label = format!("{}{number:02}", HOSTILE.repeat(12));
        let limits = patterns("alice/");
        let texts = texts.clone().map(|name| match name {
            "limits" => (name, &*limits),
            "networks" => (name, &*networks),
            _ => (name, &*label),
        });
        let token: Vec<_> = texts.chain([("scope", "read:package")]).collect();
        let made = alice.post("/-/settings/tokens", &token).await;
        made.expect(200);
        let team = format!("{}{number:02}", "t".repeat(60));
        let limits = patterns("");
        let team = [("name", &*team), ("role", "write"), ("limits", &limits)];
        let made = alice.post("/-/owners/acme/teams", &team).await;
        made.expect(303);
    }
    for number in 0..100 {
        let pattern = format!("{}*{number}/{}*", "b".repeat(60), "r".repeat(62));
        let rule = [("pattern", &*pattern), ("days", "30"), ("keep", "0")];
        let made = alice.post("/-/owners/alice/expiry", &rule).await;
        assert!(matches!(made.status, 303 | 409), "{}", made.text());
    }
    for number in 0..20 {
        let url = format!("https://hooks.test/{number}?{}", "&".repeat(1_970));
        let webhook = [("url", &*url), ("event", "published"), ("secret", "mine")];
        let made = alice.post("/-/owners/alice/webhooks", &webhook).await;
        made.expect(303);
    }
    for (number, arch) in (0..30).zip(ARCHITECTURES.iter().cycle()) {
        let file = format!("{}{number:03}-1.0-r0.apk", "x".repeat(90));
        let path = delete(format!("{ALICE}/edge/main/{arch}/{file}"));
        let path = path.basic("alice", &password("alice"));
        server.send(&path).await.expect(204);
    }
}

#[tokio::test]
async fn no_page_of_settings_is_large_however_many_rows_it_has() {
    let server = TestServer::start().await;
    server.add_organisation("acme", Visibility::Public).await;
    let accounts = server.accounts();
    accounts.set_admin(&name("alice"), true, &BY).await.unwrap();
    for (number, arch) in (0..90).zip(ARCHITECTURES.iter().cycle()) {
        let name = format!("{}{number:03}", "x".repeat(90));
        let package = PackageBuilder::new(&name, "1.0-r0").arch(arch);
        let published = server.publish("edge/main", package.build()).await;
        published.expect(201);
    }
    let mut alice = Browser::signed_in(&server, "alice").await;
    let rule = [("pattern", "edge/*"), ("days", "1"), ("keep", "0")];
    let made = alice.post("/-/owners/alice/expiry", &rule).await;
    made.expect(303);
    fill(&server, &mut alice).await;
    server.clock.advance(Duration::from_secs(2 * 86_400));
    for (path, rows) in [
        ("/-/settings/sessions", 50),
        ("/-/settings/tokens", 30),
        ("/-/owners/acme/teams", 30),
        ("/-/owners/alice/expiry", 100),
        ("/-/owners/alice/expiry?preview=yes", 100),
        ("/-/owners/alice/webhooks", 20),
        ("/-/owners/alice/deleted", 30),
        ("/-/owners/alice/audit", 200),
        ("/-/admin/audit", 200),
    ] {
        let (mut found, mut path) = (0, Some(path.to_owned()));
        while let Some(here) = path {
            let answer = alice.get(&here).await.expect(200);
            let bytes = answer.body.len();
            assert!(bytes <= LARGEST, "{here}: {bytes}");
            let text = answer.text();
            found += text.matches("<tr>").count() - text.matches("<thead>").count();
            path = next(&text, &here);
        }
        assert!(found >= rows, "{rows}: {found}");
    }
}
