//! Which page each kind of viewer gets: anonymous, reader, writer, admin.

use std::collections::BTreeMap;

use apk_testkit::v2::PackageBuilder;
use tarn_store::metadata::{Role, Visibility};

use crate::{
    browser::Browser,
    client::put,
    server::{TestServer, password},
};

/// Every page of owners and accounts, as each kind of viewer gets it. 303 is the form to sign in. The tests in a real browser read it, too.
const STATUSES: &str = include_str!("../../../tarn/tests/browser/roles.json");

/// The private organisation `vault` with a package, and a user of each role.
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
    let package = PackageBuilder::new("vaulted", "1.0-r0").arch("x86_64");
    let put = put("/api/packages/vault/alpine/edge/main", package.build());
    let put = put.basic("alice", &password("alice"));
    server.send(&put).await.expect(201);
}

#[tokio::test]
async fn each_viewer_gets_the_pages_that_are_for_them() {
    let server = TestServer::start().await;
    vault(&server).await;
    let mut anonymous = Browser::new(&server);
    let mut reader = Browser::signed_in(&server, "reader").await;
    let mut writer = Browser::signed_in(&server, "writer").await;
    let mut keeper = Browser::signed_in(&server, "keeper").await;
    let statuses: BTreeMap<String, [u16; 4]> = serde_json::from_str(STATUSES).unwrap();
    for (path, statuses) in statuses {
        let viewers = [&mut anonymous, &mut reader, &mut writer, &mut keeper];
        for (viewer, status) in viewers.into_iter().zip(statuses) {
            let answer = viewer.get(&path).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        }
    }
    // Forms are refused to the same.
    for path in [
        "/-/owners/vault/keys/rotate",
        "/-/owners/vault/members",
        "/-/owners/vault/teams/readers/members",
        "/-/owners/vault/remove",
        "/-/owners/vault/usage",
        "/-/delete/vault/edge/main/x86_64/vaulted-1.0-r0.apk",
    ] {
        assert_eq!(anonymous.post(path, &[]).await.status, 401, "{path}");
        assert_eq!(reader.post(path, &[]).await.status, 403, "{path}");
    }
    // Limits are those of administrators of the server.
    keeper
        .post("/-/owners/vault/usage", &[("bytes", "10")])
        .await
        .expect(403);
}
