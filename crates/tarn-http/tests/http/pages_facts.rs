//! The page of a package shows what only some packages say.

use apk::v2::package::Script;
use apk_testkit::v2::PackageBuilder;
use tarn_store::metadata::{OwnerKind, VersionRule};

use crate::{
    pages::{is_page, page},
    server::{BY, TestServer, name},
};

#[tokio::test]
async fn a_package_says_when_it_is_installed_what_it_replaces_and_what_it_watches() {
    let server = TestServer::with_hello().await;
    let openrc = PackageBuilder::new("greet-openrc", "2.0-r0")
        .arch("x86_64")
        .field("install_if", "hello=1.0-r0 openrc")
        .field("replaces", "hello<2")
        .field("replaces", "old-greet")
        .field("replaces_priority", "7")
        .field("provider_priority", "9")
        .field("triggers", "/usr/share/greet/* /etc/greet")
        .script(Script::Trigger, "#!/bin/sh\n")
        .build();
    server.publish("edge/main", openrc).await.expect(201);
    let shown = server.send(&page("/alice/edge/main/greet-openrc")).await;
    let shown = shown.expect(200);
    is_page(&shown);
    let text = shown.text();
    let list = |heading: &str| {
        let (_, rest) = text.split_once(heading).unwrap();
        rest.split("</ul>").next().unwrap().to_owned()
    };
    for (heading, entries) in [
        (
            "<h2>Installed with all of</h2>",
            [
                "<a href=\"/alice/edge/main/hello\"><code>hello=1.0-r0</code></a>",
                "<li><code>openrc</code></li>",
            ],
        ),
        (
            "<h2>Replaces files of</h2>",
            [
                "<a href=\"/alice/edge/main/hello\"><code>hello&#60;2</code></a>",
                "<li><code>old-greet</code></li>",
            ],
        ),
    ] {
        let list = list(heading);
        for entry in entries {
            assert!(list.contains(entry), "{entry}: {list}");
        }
    }
    for part in [
        "<dt>Triggers</dt><dd><code>/usr/share/greet/*</code></dd><dd><code>/etc/greet</code></dd>",
        "<dt>Replaces priority</dt><dd>7</dd>",
        "<dt>Provider priority</dt><dd>9</dd>",
        "<dt>Scripts</dt><dd>trigger</dd>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_version_that_apk_cannot_order_has_a_warning() {
    let server = TestServer::with_hello().await;
    let lenient = Some(VersionRule::Lenient);
    let (accounts, alice) = (server.accounts(), name("alice"));
    let set = accounts.set_version_rule(OwnerKind::User, &alice, lenient, &BY);
    assert!(set.await.unwrap());
    let warning = "apk can't order the version";
    for (version, advice) in [
        (
            "2026-11-29",
            Some("<code>2026.11.29-r0</code> would be ordered."),
        ),
        ("latest", None),
    ] {
        let package = PackageBuilder::new("nightly", version).arch("x86_64");
        let published = server.publish("edge/main", package.build()).await;
        published.expect(201);
        let shown = server
            .send(&page(&format!("/alice/edge/main/nightly/{version}")))
            .await;
        let shown = shown.expect(200);
        is_page(&shown);
        let text = shown.text();
        let (_, said) = text.split_once(warning).unwrap();
        let said = said.split("</p>").next().unwrap();
        assert!(
            said.starts_with(&format!(" <code>{version}</code>")),
            "{said}"
        );
        assert_eq!(said.contains("would be ordered"), advice.is_some());
        assert!(said.contains(advice.unwrap_or_default()), "{said}");
    }
    let ordered = server.send(&page("/alice/edge/main/hello")).await;
    assert!(!ordered.expect(200).text().contains(warning));
}
