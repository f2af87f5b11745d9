//! Which page each kind of viewer gets: anonymous; reader, writer and admin of the owner; administrator of the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use apk_testkit::v2::PackageBuilder;
use regex::Regex;
use tarn_store::metadata::{Role, Visibility};

use crate::{browser::Browser, server::TestServer};

/// Every route of a page, as each kind of viewer gets it. 303 is the form to sign in. The tests in a real browser read it, too.
const STATUSES: &str = include_str!("../../../tarn/tests/browser/roles.json");

/// The pages that those tests look at.
const LOOKED_AT: &str = include_str!("../../../tarn/tests/browser/pages.json");

/// Files rather than pages, whose names have the hash of their content.
const STATIC: &str = "/-/static/{file}";

/// Each route of the pages with its methods, as the code adds it to the router, which has no list of its own.
fn added() -> Vec<(String, String)> {
    let methods = r#""([^"]*)",\s*((?:\.?\w+\([\w:]+\)\s*)+)"#;
    let route = Regex::new(&format!(r"\.route\(\s*{methods}")).unwrap();
    let table = Regex::new(r#"\bbelow\(\s*"([^"]+)",\s*\[([^\]]*)\]"#).unwrap();
    let row = Regex::new(&format!(r"\(\s*{methods}")).unwrap();
    let begins = Regex::new(r#"\(\s*""#).unwrap();
    let (mut added, mut calls) = (Vec::new(), 0);
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            // The one that `below` itself makes of each row.
            calls += text.matches(".route(").count() - text.matches(".route(&format!").count();
            let found = route.captures_iter(&text);
            added.extend(found.map(|found| (found[1].to_owned(), found[2].to_owned())));
            for found in table.captures_iter(&text) {
                calls += begins.find_iter(&found[2]).count();
                let rows = row.captures_iter(&found[2]);
                let of_row = |row: regex::Captures<'_>| {
                    (format!("{}{}", &found[1], &row[1]), row[2].to_owned())
                };
                added.extend(rows.map(of_row));
            }
            assert_eq!(
                table.find_iter(&text).count(),
                text.matches(" below(").count(),
                "this test can't read a table"
            );
        }
    }
    assert_eq!(calls, added.len(), "this test can't read a route");
    added
}

/// The routes that may be asked for by GET.
pub(crate) fn routes() -> BTreeSet<String> {
    let added = added().into_iter();
    let pages = added.filter(|(_, methods)| methods.contains("get(") || methods.contains("any("));
    pages.map(|(route, _)| route).collect()
}

/// The paths to which forms are sent, of the owner `vault` where they are of an owner.
fn forms() -> impl Iterator<Item = String> {
    let added = added().into_iter();
    let forms = added.filter(|(_, methods)| methods.contains("post("));
    forms.map(|(route, _)| {
        [
            ("{owner}", "vault"),
            ("{team}", "readers"),
            ("{id}", "1"),
            ("{name}", "reader"),
            ("{branch}", "edge"),
            ("{repository}", "main"),
            ("{architecture}", "x86_64"),
            ("{file}", "vaulted-1.0-r0.apk"),
        ]
        .into_iter()
        .fold(route, |route, (name, value)| route.replace(name, value))
    })
}

/// The route that takes a path: of those that match, the one that names most of its beginning.
pub(crate) fn route_of<'r>(routes: &'r BTreeSet<String>, path: &str) -> Option<&'r str> {
    let path = path.split(['?', '#']).next().unwrap();
    let wanted: Vec<&str> = path.split('/').collect();
    let matching = routes.iter().filter_map(|route| {
        let segments: Vec<&str> = route.split('/').collect();
        let takes_rest = segments.last().unwrap().starts_with("{*");
        let as_long = segments.len() == wanted.len();
        let long_enough = as_long || takes_rest && segments.len() < wanted.len();
        // Words of the route come before what stands for any segment, and that before what stands for the rest.
        let ranks = segments.iter().zip(&wanted).map(|(segment, found)| {
            let is_rest = segment.starts_with("{*");
            let is_any = segment.starts_with('{') && !found.is_empty();
            match segment == found {
                true => Some(2),
                false => is_any.then_some(u8::from(!is_rest)),
            }
        });
        let ranks: Option<Vec<u8>> = ranks.collect();
        ranks
            .filter(|_| long_enough)
            .map(|ranks| (ranks, route.as_str()))
    });
    matching.max().map(|(_, route)| route)
}

/// The private organisation `vault` with a package and a webhook, a user of each role, and `root`, who administers the server.
async fn vault(server: &TestServer) {
    server.add_organisation("vault", Visibility::Private).await;
    for (user, role) in [
        ("reader", Role::Read),
        ("writer", Role::Write),
        ("keeper", Role::Admin),
    ] {
        server.add_user(user, Visibility::Public).await;
        server.set_member("vault", user, role).await;
    }
    server.add_admin("root").await;
    let package = PackageBuilder::new("vaulted", "1.0-r0").arch("x86_64");
    server
        .publish_by("alice", "vault/alpine/edge/main", package.build())
        .await;
    let webhook = [("url", "https://hooks.test/x"), ("event", "published")];
    let mut keeper = Browser::signed_in(server, "keeper").await;
    let added = keeper.post("/-/owners/vault/webhooks", &webhook).await;
    added.expect(200);
}

#[tokio::test]
async fn each_viewer_gets_the_pages_that_are_for_them() {
    let server = TestServer::start().await;
    vault(&server).await;
    let mut anonymous = Browser::new(&server);
    let mut reader = Browser::signed_in(&server, "reader").await;
    let mut writer = Browser::signed_in(&server, "writer").await;
    let mut keeper = Browser::signed_in(&server, "keeper").await;
    let mut root = Browser::signed_in(&server, "root").await;
    let statuses: BTreeMap<String, [u16; 5]> = serde_json::from_str(STATUSES).unwrap();
    let routes = routes();
    let (mut asked, mut shown) = (BTreeSet::from([STATIC]), BTreeSet::new());
    for (path, statuses) in statuses {
        let viewers = [
            &mut anonymous,
            &mut reader,
            &mut writer,
            &mut keeper,
            &mut root,
        ];
        let route = route_of(&routes, &path);
        asked.extend(route);
        for (viewer, status) in viewers.into_iter().zip(statuses) {
            let answer = viewer.get(&path).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            let html = answer.header("Content-Type") == Some("text/html; charset=utf-8");
            shown.extend(route.filter(|_| html && status == 200));
        }
    }
    // A new page has to be in the table, and among those that are looked at in a browser.
    let all: BTreeSet<&str> = routes.iter().map(String::as_str).collect();
    assert_eq!(all.difference(&asked).collect::<Vec<_>>(), [&""; 0]);
    let looked_at: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(LOOKED_AT).unwrap();
    let paths = looked_at.values().flat_map(BTreeMap::values);
    let looked_at: BTreeSet<&str> = paths.filter_map(|path| route_of(&routes, path)).collect();
    assert_eq!(shown.difference(&looked_at).collect::<Vec<_>>(), [&""; 0]);
    // Forms are refused to the same.
    let (mut of_owner, mut of_server) = (0, 0);
    for path in forms() {
        if path.starts_with("/-/log") {
            continue;
        }
        assert_eq!(anonymous.post(&path, &[]).await.status, 401, "{path}");
        if path.starts_with("/-/owners/vault") || path.starts_with("/-/delete/vault") {
            assert_eq!(reader.post(&path, &[]).await.status, 403, "{path}");
            of_owner += 1;
        }
        if path.starts_with("/-/admin") {
            assert_eq!(keeper.post(&path, &[]).await.status, 403, "{path}");
            of_server += 1;
        }
    }
    assert!(of_owner >= 25 && of_server >= 5, "{of_owner} {of_server}");
    let file: [(&str, &[u8]); 1] = [("a.apk", b"no package")];
    let uploaded = reader.upload("/-/upload/vault", ("edge", "main"), &file);
    uploaded.await.expect(403);
    // Limits are those of administrators of the server.
    keeper
        .expect("/-/owners/vault/usage", &[("bytes", "10")], 403)
        .await;
}
