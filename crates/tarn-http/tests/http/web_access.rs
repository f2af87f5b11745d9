//! Which page each kind of viewer gets: anonymous, reader, writer, admin.

use crate::{
    browser::Browser,
    server::{TestServer, hello, password},
    web_owner::organisation,
};

/// Every page of owners and accounts, as each kind of viewer gets it. 303 is the form to sign in.
#[tokio::test]
async fn each_viewer_gets_the_pages_that_are_for_them() {
    let server = TestServer::start().await;
    organisation(&server).await;
    let put = crate::client::put("/api/packages/acme/alpine/edge/main", hello());
    server
        .send(&put.basic("alice", &password("alice")))
        .await
        .expect(201);
    let mut anonymous = Browser::new(&server);
    let mut reader = Browser::signed_in(&server, "reader").await;
    let mut writer = Browser::signed_in(&server, "writer").await;
    let mut admin = Browser::signed_in(&server, "alice").await;
    for (path, statuses) in [
        ("/acme", [200, 200, 200, 200]),
        ("/-/login", [200, 303, 303, 303]),
        ("/-/settings", [303, 200, 200, 200]),
        ("/-/settings/password", [303, 200, 200, 200]),
        ("/-/settings/second-factor", [303, 200, 200, 200]),
        ("/-/settings/sessions", [303, 200, 200, 200]),
        ("/-/settings/tokens", [303, 200, 200, 200]),
        ("/-/settings/organisations", [303, 200, 200, 200]),
        ("/-/upload/acme", [303, 200, 200, 200]),
        (
            "/-/delete/acme/edge/main/x86_64/hello-1.0-r0.apk",
            [303, 403, 200, 200],
        ),
        ("/-/owners/acme", [303, 403, 403, 200]),
        ("/-/owners/acme/members", [303, 403, 403, 200]),
        ("/-/owners/acme/teams", [303, 403, 403, 200]),
        ("/-/owners/acme/tokens", [303, 403, 403, 200]),
        ("/-/owners/acme/keys", [303, 403, 403, 200]),
        ("/-/owners/acme/deleted", [303, 403, 403, 200]),
        ("/-/owners/acme/expiry", [303, 403, 403, 200]),
        ("/-/owners/acme/usage", [303, 403, 403, 200]),
        ("/-/owners/acme/webhooks", [303, 403, 403, 200]),
        ("/-/owners/acme/audit", [303, 403, 403, 200]),
        ("/-/owners/acme/audit/export", [303, 403, 403, 200]),
        ("/-/owners/nobody/keys", [404, 404, 404, 404]),
        ("/-/admin", [303, 403, 403, 403]),
        ("/-/admin/accounts", [303, 403, 403, 403]),
        ("/-/admin/organisations", [303, 403, 403, 403]),
        ("/-/admin/audit", [303, 403, 403, 403]),
        ("/-/admin/settings", [303, 403, 403, 403]),
    ] {
        let viewers = [&mut anonymous, &mut reader, &mut writer, &mut admin];
        for (viewer, status) in viewers.into_iter().zip(statuses) {
            let answer = viewer.get(path).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        }
    }
    // Forms are refused to the same.
    for path in [
        "/-/owners/acme/keys/rotate",
        "/-/owners/acme/members",
        "/-/owners/acme/remove",
        "/-/owners/acme/usage",
        "/-/delete/acme/edge/main/x86_64/hello-1.0-r0.apk",
    ] {
        assert_eq!(anonymous.post(path, &[]).await.status, 401, "{path}");
        assert_eq!(reader.post(path, &[]).await.status, 403, "{path}");
    }
    // Limits are those of administrators of the server.
    admin
        .post("/-/owners/acme/usage", &[("bytes", "10")])
        .await
        .expect(403);
}
