//! The pages of administrators of the server.

use std::time::Duration;

use tarn_core::{jobs::Schedule, settings::GivenSetting};

use crate::{
    browser::Browser,
    pages::is_page,
    second_factor::enrol,
    server::{TestServer, password},
};

/// A server whose administrator is `root`.
async fn world() -> TestServer {
    let server = TestServer::start_with(|settings| {
        settings.given = vec![GivenSetting {
            name: "listen",
            value: "<127.0.0.1:80>".to_owned(),
            source: "tarn.toml:7".to_owned(),
            help: "The address.",
        }];
    })
    .await;
    server.add_admin("root").await;
    server
}

#[tokio::test]
async fn every_page_of_administration_is_there() {
    let server = world().await;
    let mut root = Browser::signed_in(&server, "root").await;
    for path in [
        "/-/admin",
        "/-/admin/accounts",
        "/-/admin/accounts/alice",
        "/-/admin/organisations",
        "/-/admin/audit",
        "/-/admin/settings",
        "/-/owners/alice",
        "/-/owners/alice/usage",
    ] {
        is_page(&root.get(path).await.expect(200));
    }
    let health = root.get("/-/admin").await.text();
    assert_eq!(health.matches("has not run yet").count(), 6, "{health}");
    Schedule::new(server.registry.clone()).run_due().await;
    let health = root.get("/-/admin").await.text();
    assert_eq!(
        health
            .matches("<span class=\"pill ok\">done</span>")
            .count(),
        5
    );
    for part in [
        "Apply the expiry rules</td><td data-label=\"Last run\"><time datetime=\"2026-11-22T21:00:00Z\">",
        "0 packages expired",
        "files: 0 correct, 0 removed, 0 missing or damaged, 0 unknown",
    ] {
        assert!(health.contains(part), "{part}: {health}");
    }
    // A job that fails says why.
    let folder = server.registry.settings().data_dir.join("blobs");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, b"no folder").unwrap();
    server.clock.advance(Duration::from_secs(2 * 86_400));
    Schedule::new(server.registry.clone()).run_due().await;
    let failed = root.get("/-/admin").await.text();
    assert!(
        failed.contains("<span class=\"pill bad\">failed</span> "),
        "{failed}"
    );
    assert_eq!(health.matches(">works<").count(), 3, "{health}");
    assert!(health.contains("2 accounts."));
    let settings = root.get("/-/admin/settings").await.text();
    for part in [
        "<code>listen</code><span class=\"below\">The address.</span>",
        "<td class=\"value\">&#60;127.0.0.1:80&#62;<span",
        "<code>tarn.toml:7</code>",
    ] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
    root.get("/-/admin/accounts/nobody").await.expect(404);
    let export = root.get("/-/admin/audit/export").await.expect(200);
    assert!(export.text().lines().count() > 2);
    let page = root.text("/-/admin/audit?owner=alice&result=done").await;
    assert!(
        page.contains("user.add") && !page.contains("user.admin.add"),
        "{page}"
    );
}

#[tokio::test]
async fn accounts_are_added_and_changed() {
    let server = world().await;
    let mut root = Browser::signed_in(&server, "root").await;
    let path = "/-/admin/accounts";
    let bobs = password("bob");
    let fields = [("name", "bob"), ("new", &*bobs), ("visibility", "public")];
    let page = root.followed(path, &fields).await;
    assert!(page.contains("The account bob is added."), "{page}");
    root.expect(path, &fields, 409).await;
    let mut bob = Browser::signed_in(&server, "bob").await;
    bob.get("/-/admin").await.expect(403);

    let one = "/-/admin/accounts/bob";
    let fields = [("visibility", "private"), ("admin", "yes")];
    let page = root.followed(one, &fields).await;
    assert!(
        page.contains("value=\"yes\" checked> <label for=\"admin\">"),
        "{page}"
    );
    bob.get("/-/admin").await.expect(200);
    let page = root
        .post_and_follow(one, &[("visibility", "private"), ("disabled", "yes")])
        .await;
    assert!(
        page.text()
            .contains("value=\"yes\" checked> <label for=\"disabled\">")
    );
    assert_eq!(bob.get("/-/settings").await.status, 303);
    // The last administrator stays one.
    let last = root
        .expect("/-/admin/accounts/root", &[("visibility", "public")], 409)
        .await;
    assert!(last.text().contains("last administrator"));
    // Later, all this needs the password once more.
    server.clock.advance(Duration::from_secs(660));
    root.expect(one, &[("visibility", "private")], 403).await;
    let roots = password("root");
    let fields = [("visibility", "public"), ("password", &*roots)];
    root.expect(one, &fields, 303).await;
}

#[tokio::test]
async fn an_administrator_helps_who_lost_the_second_factor() {
    let server = world().await;
    enrol(&server).await;
    let mut root = Browser::signed_in(&server, "root").await;
    let one = "/-/admin/accounts/alice";
    assert!(
        root.get(one)
            .await
            .text()
            .contains("10 recovery codes left")
    );
    let page = root.followed(&format!("{one}/second-factor"), &[]).await;
    assert!(page.contains("The second factor is off."));
    let mut alice = Browser::signed_in(&server, "alice").await;
    root.post_and_follow(&format!("{one}/sessions"), &[]).await;
    assert_eq!(alice.get("/-/settings").await.status, 303);
}

#[tokio::test]
async fn organisations_and_limits_are_made() {
    let server = world().await;
    let mut root = Browser::signed_in(&server, "root").await;
    let fields = [
        ("name", "acme"),
        ("admin", "alice"),
        ("visibility", "public"),
    ];
    let page = root.followed("/-/admin/organisations", &fields).await;
    assert!(page.contains("acme is added."), "{page}");
    root.expect("/-/admin/organisations", &fields, 409).await;
    let mut alice = Browser::signed_in(&server, "alice").await;
    alice.expect("/-/admin/organisations", &fields, 403).await;
    let page = alice.text("/-/settings/organisations").await;
    assert!(page.contains("href=\"/-/owners/acme\""), "{page}");
    alice.get("/-/owners/acme/members").await.expect(200);
    let usage = "/-/owners/acme/usage";
    let page = root
        .followed(usage, &[("bytes", "2 KiB"), ("packages", "")])
        .await;
    assert!(page.contains("of 2.0 KiB"), "{page}");
    assert!(page.contains("value=\"2 KiB\""), "{page}");
    root.expect(usage, &[("bytes", "-1")], 422).await;
    root.expect(usage, &[("bytes", "2 dozen")], 422).await;
    let page = root.followed(usage, &[("bytes", "")]).await;
    assert!(page.contains("without a limit"), "{page}");
}
