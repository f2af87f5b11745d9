//! The pages of repositories and packages: what they say, and that nothing of a package is more than text on them.

use apk::{v2::package::Script, v3::schema::package as slot};
use apk_testkit::v2::PackageBuilder;

use crate::{
    client::get,
    pages::{is_page, page},
    server::{TestServer, name, package, password, published},
    v3_packages::built,
};
use tarn_store::metadata::{Role, Visibility};

/// A text that would be more than text wherever it is not escaped.
pub(crate) const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&";

/// A server with packages that have to do with each other.
pub(crate) async fn with_packages() -> TestServer {
    let server = TestServer::with_hello().await;
    let lib = PackageBuilder::new("libgreet", "2.0-r0")
        .arch("x86_64")
        .field("origin", "greet")
        .field("provides", "so:libgreet.so.2=2.0")
        .field("pkgdesc", "Greets")
        .build();
    let tool = PackageBuilder::new("greet", "2.0-r0")
        .arch("x86_64")
        .field("origin", "greet")
        .field("depend", "so:libgreet.so.2")
        .field("depend", "hello>=2")
        .field("depend", "hello<3")
        .field("depend", "so:libc.musl-x86_64.so.1")
        .field("url", "https://greet.example/")
        .script(Script::PostInstall, "#!/bin/sh\necho '<b>installed</b>'\n")
        .directory("usr")
        .directory("usr/bin")
        .file("usr/bin/greet", b"#!/bin/sh\n")
        .symbolic_link("usr/bin/hi", "greet")
        .build();
    let old = PackageBuilder::new("greet", "1.10-r0")
        .arch("aarch64")
        .field("origin", "greet")
        .build();
    for file in [lib, tool, old] {
        server.publish("edge/main", file).await.expect(201);
    }
    published(&server, "v3.23/main", package("everywhere", "noarch")).await;
    server
}

#[tokio::test]
async fn what_only_apk_3_can_read_says_so() {
    let server = TestServer::start().await;
    let v3 = |name: &str, arch: &str| {
        let package = apk_testkit::v3::PackageBuilder::new(name, "1.0-r1");
        built(&package.text(slot::ARCH, arch))
    };
    let tab = async |repository: &str| {
        let path = format!("/alice/{repository}");
        let answer = server.send(&page(&path)).await.expect(200);
        is_page(&answer);
        let text = answer.text();
        let checked = text.split("name=\"use\" id=\"use-").find(|tab| {
            let (tag, _) = tab.split_once('>').unwrap();
            tag.ends_with(" checked")
        });
        let tab = checked.and_then(|tab| tab.split('"').next());
        (
            tab.map(str::to_owned),
            text.contains("All packages here are for apk 3"),
            text.matches(">v3</span>").count(),
            // What is not there has no link, no state and no line.
            (
                text.matches("/APKINDEX.tar.gz\">").count(),
                text.matches("/Packages.adb\">").count(),
                text.contains(&format!(
                    "\necho v3 http://registry.test/api/packages/alice/alpine/{repository} &"
                )),
                text.contains(&format!(
                    "\necho http://registry.test/api/packages/alice/alpine/{repository} &"
                )),
            ),
        )
    };
    let found = |tab: &str, note, pills, rest| (Some(tab.to_owned()), note, pills, rest);
    for (repository, arch, expected) in [
        ("edge/main", "x86_64", "v3"),
        ("25.12/packages", "aarch64_cortex-a53", "openwrt"),
    ] {
        let package = v3("tool", arch);
        server.publish(repository, package).await.expect(201);
        assert_eq!(
            tab(repository).await,
            found(expected, true, 1, (0, 1, true, false))
        );
    }
    published(&server, "edge/main", package("hello", "x86_64")).await;
    let both = (1, 1, true, true);
    assert_eq!(tab("edge/main").await, found("alpine", false, 1, both));
    // One package, in one format for each architecture.
    published(&server, "edge/main", package("tool", "aarch64")).await;
    let text = server.send(&page("/alice/edge/main/tool")).await;
    let text = text.expect(200).text();
    assert_eq!(text.matches(">v3</span>").count(), 1, "{text}");
    assert!(text.contains("This file is for apk 3"), "{text}");
    let other = server.send(&page("/alice/edge/main/tool/1.0-r0")).await;
    assert!(!other.expect(200).text().contains("This file is for apk 3"));
}

#[tokio::test]
async fn a_repository_says_how_to_use_it_and_what_it_has() {
    let server = with_packages().await;
    let answer = server.send(&page("/alice/edge/main")).await.expect(200);
    is_page(&answer);
    let text = answer.text();
    let url = "http://registry.test/api/packages/alice/alpine";
    let key = server.send(&get("/api/packages/alice/alpine/key")).await;
    let key = key.header("Content-Disposition").unwrap().to_owned();
    let key = key.split('"').nth(1).unwrap();
    for line in [
        format!("wget -qO- {url}/edge/main/setup | sh"),
        format!("wget -O /etc/apk/keys/{key} \\\n  {url}/{key}"),
        format!("echo {url}/edge/main &gt;&gt; /etc/apk/repositories"),
        format!("echo v3 {url}/edge/main &gt;&gt; /etc/apk/repositories"),
        "machine registry.test login USER password TOKEN".to_owned(),
        format!("--upload-file hello-1.0-r0.apk {url}/edge/main"),
        // With one slash, apko would take it for a mirror of Alpine.
        format!("    - {url}//edge/main\n"),
        format!("    target: {url}/edge/main?if-exists=same\n    custom_artifact_name: true</pre>"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    let rows = |text: &str| -> Vec<String> {
        let rows = text.split("<td class=\"name\"><a href=\"").skip(1);
        rows.map(|row| row.split('"').next().unwrap().to_owned())
            .collect()
    };
    let base = "/alice/edge/main";
    let all = ["greet", "hello", "libgreet"].map(|name| format!("{base}/{name}"));
    assert_eq!(rows(&text), all);
    // The newest version of a package stands for it.
    assert!(
        text.contains("<code>2.0-r0</code> <span class=\"soft\">+1</span>"),
        "{text}"
    );
    for (query, expected) in [
        ("?name=lib", &["libgreet"][..]),
        ("?name=EET", &["greet", "libgreet"]),
        ("?name=eet&arch=x86_64&sort=newest", &["greet", "libgreet"]),
        ("?arch=aarch64", &["greet"]),
        ("?origin=greet", &["greet", "libgreet"]),
        ("?sort=newest", &["greet", "greet", "libgreet", "hello"]),
        ("?name=nothing", &[]),
        ("?name=%25", &[]),
        ("?after=hello-1.0-r0.apk", &["libgreet"]),
        ("?sort=newest&after=2", &["hello"]),
    ] {
        let answer = server.send(&page(&format!("{base}{query}"))).await;
        let text = answer.expect(200).text();
        let expected: Vec<_> = expected
            .iter()
            .map(|name| format!("{base}/{name}"))
            .collect();
        assert_eq!(rows(&text), expected, "{query}");
    }
}

#[tokio::test]
async fn a_repository_shows_the_state_of_its_indexes() {
    let server = with_packages().await;
    let state = async || {
        let text = server.send(&page("/alice/edge/main")).await.text();
        let (_, state) = text.split_once("id=\"indexes\"").unwrap();
        let state = state.split("</table>").next().unwrap();
        let rows = state.split("<tr>").skip(2);
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    let not_made = "not made since this server started";
    let before = state().await;
    assert_eq!(before.len(), 4, "{before:#?}");
    assert!(
        before.iter().all(|row| row.contains(not_made)),
        "{before:#?}"
    );
    // How many packages it lists is known before it is made.
    for (row, generation, packages) in [(&before[0], 4, 1), (&before[2], 3, 3)] {
        for part in [
            format!("data-label=\"Generation\">{generation}</td>"),
            format!("data-label=\"Packages\">{packages}</td>"),
        ] {
            assert!(row.contains(&part), "{part}: {row}");
        }
    }
    let index = get(crate::server::INDEX);
    let index = server.send(&index).await.expect(200);
    let key = server.send(&get("/api/packages/alice/alpine/key")).await;
    let key = key.header("Content-Disposition").unwrap().to_owned();
    let key = key.split('"').nth(1).unwrap();
    let after = state().await;
    let [_, _, v2, v3] = after.as_slice() else {
        panic!("{after:#?}");
    };
    let size = match index.body.len() {
        bytes if bytes < 1024 => format!("{bytes} B"),
        bytes => format!("{:.1} KiB", bytes as f64 / 1024.0),
    };
    for part in [
        "<td><a href=\"/api/packages/alice/alpine/edge/main/x86_64/\">x86_64<".to_owned(),
        "/edge/main/x86_64/APKINDEX.tar.gz\">APKINDEX.tar.gz</a>".to_owned(),
        "data-label=\"Generation\">3</td>".to_owned(),
        "data-label=\"Packages\">3</td>".to_owned(),
        format!("data-label=\"Size\">{size}</td>"),
        "<time datetime=\"2026-11-22T21:0".to_owned(),
        format!("by {key}</span>"),
    ] {
        assert!(v2.contains(&part), "{part}: {v2}");
    }
    assert!(v3.contains(not_made), "{v3}");
    // The next generation is made when somebody asks for it.
    let more = PackageBuilder::new("more", "1.0-r0").arch("x86_64").build();
    server.publish("edge/main", more).await.expect(201);
    let after = state().await;
    let outdated = "data-label=\"Generation\">3 <span class=\"soft\">of 5</span></td>";
    assert!(after[2].contains(outdated), "{}", after[2]);
}

#[tokio::test]
async fn a_package_says_what_it_has_to_do_with_others() {
    let server = with_packages().await;
    let answer = server.send(&page("/alice/edge/main/greet")).await;
    let answer = answer.expect(200);
    is_page(&answer);
    let text = answer.text();
    for part in [
        "<pre>apk add greet=2.0-r0</pre>",
        "<a href=\"/alice/edge/main/libgreet\"><code>so:libgreet.so.2</code></a> <span class=\"soft\">libgreet</span>",
        "<h3>Elsewhere</h3>",
        "<li><code>so:libc.musl-x86_64.so.1</code></li>",
        "<code>hello&#62;=2</code> <span class=\"pill warn\">only 1.0-r0 here</span>",
        "<a href=\"/alice/edge/main/hello\"><code>hello&#60;3</code></a>",
        "It needs <code>hello&#62;=2</code>, and alice has only 1.0-r0",
        "<a href=\"https://greet.example/\" rel=\"nofollow noopener noreferrer\">",
        "<a href=\"/alice/edge/main/greet/1.10-r0/aarch64\"><code>1.10-r0</code></a>",
        "href=\"/api/packages/alice/alpine/edge/main/x86_64/greet-2.0-r0.apk\"",
        "/alice/edge/main?origin=greet#packages",
        "<dt>Scripts</dt><dd>post-install</dd>",
        "<dd><code>Q1",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let lib = server.send(&page("/alice/edge/main/libgreet")).await;
    let lib = lib.expect(200).text();
    let (_, required) = lib.split_once("Required by").unwrap();
    assert!(
        required.contains("<a href=\"/alice/edge/main/greet\">greet</a>"),
        "{required}"
    );
    let hello = server.send(&page("/alice/edge/main/hello")).await;
    let hello = hello.expect(200).text();
    let wants = "greet</a> <span class=\"pill warn\">wants hello&#62;=2</span>";
    assert!(hello.contains(wants), "{hello}");
    let old = server.send(&page("/alice/edge/main/greet/1.10-r0")).await;
    assert!(
        old.expect(200)
            .text()
            .contains("This is not the newest version here.")
    );
    for missing in [
        "/alice/edge/main/greet/3.0-r0",
        "/alice/edge/main/nothing",
        "/alice/edge/none",
    ] {
        is_page(&server.send(&page(missing)).await.expect(404));
    }

    // What is deleted is required by nothing, and nothing depends on it.
    let delete = "/api/packages/alice/alpine/edge/main/x86_64/greet-2.0-r0.apk";
    let delete = crate::client::delete(delete).basic("alice", &password("alice"));
    server.send(&delete).await.expect(204);
    let lib = server.send(&page("/alice/edge/main/libgreet")).await;
    let (_, required) = lib
        .text()
        .split_once("Required by")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(required.contains("No package of alice."), "{required}");
}

#[tokio::test]
async fn the_contents_of_a_package_are_read_from_it() {
    let server = with_packages().await;
    let path = "/alice/edge/main/greet/2.0-r0/x86_64/contents";
    let answer = server.send(&page(path)).await.expect(200);
    is_page(&answer);
    let text = answer.text();
    for part in [
        "<td class=\"path\"><code>usr/bin/greet</code>",
        "<code>usr/bin/hi</code> → <code>greet</code>",
        "<h3>post-install</h3>",
        "echo &#39;&#60;b&#62;installed&#60;/b&#62;&#39;",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // A damaged blob is a fault of the server, and said so.
    for file in server.blob_files() {
        std::fs::write(file, b"").unwrap();
    }
    let again = server.send(&page(path)).await.expect(200);
    assert_eq!(again.text(), text);
    let lib = "/alice/edge/main/libgreet/2.0-r0/x86_64/contents";
    is_page(&server.send(&page(lib)).await.expect(500));
}

#[tokio::test]
async fn what_a_package_says_is_text_on_every_page() {
    let server = TestServer::start().await;
    let hostile = PackageBuilder::new("evil", "1.0-r0")
        .arch("x86_64")
        .field("pkgdesc", HOSTILE)
        .field("url", "javascript:alert(1)//<script>")
        .field("license", HOSTILE)
        .field("maintainer", HOSTILE)
        .field("packager", HOSTILE)
        .field("commit", HOSTILE)
        .field("origin", "evil")
        .field("triggers", "/usr/*<script>")
        .script(Script::PreInstall, &format!("#!/bin/sh\n{HOSTILE}"))
        .script(Script::Trigger, "#!/bin/sh\n")
        .directory("usr")
        .file("usr/<script>alert(1)<", b"x")
        .symbolic_link("usr/link", "\"><script>alert(1)<")
        .build();
    let published = server.publish("edge/main", hostile).await;
    published.expect(201);
    for target in [
        "/",
        "/?q=evil",
        &format!("/?q={}", url_encoded(HOSTILE)),
        "/alice",
        "/alice/edge/main",
        &format!(
            "/alice/edge/main?name={0}&origin={0}&arch={0}&sort={0}&after={0}",
            url_encoded(HOSTILE)
        ),
        "/alice/edge/main/evil",
        "/alice/edge/main/evil/1.0-r0/x86_64/contents",
        &format!("/{}", url_encoded(HOSTILE)),
        &format!("/alice/edge/main/{0}/{0}/{0}", url_encoded(HOSTILE)),
    ] {
        let answer = server.send(&page(target)).await;
        is_page(&answer);
        let text = answer.text();
        assert_eq!(text.matches("<script").count(), 1, "{target}: {text}");
        for broken in ["<img", "onerror=alert(1)>", "href=\"javascript"] {
            assert!(!text.contains(broken), "{broken}: {target}: {text}");
        }
    }
    for target in ["/alice/-/feed.atom", "/alice/edge/main/-/feed.atom"] {
        let feed = server.send(&get(target)).await.expect(200);
        let media_type = "application/atom+xml; charset=utf-8";
        assert_eq!(feed.header("Content-Type"), Some(media_type));
        let text = feed.text();
        assert!(
            text.contains("<title>evil 1.0-r0") && !text.contains("<script"),
            "{text}"
        );
        assert!(text.contains("http://registry.test/alice/"), "{text}");
    }
}

pub(crate) fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn every_page_is_for_those_who_may_read() {
    let server = TestServer::start().await;
    for user in ["wendy", "rita", "mallory"] {
        server.add_user(user, Visibility::Public).await;
    }
    server.add_organisation("acme", Visibility::Private).await;
    server.set_member("acme", "wendy", Role::Write).await;
    server.set_member("acme", "rita", Role::Read).await;
    let tool = package("secret-tool", "x86_64");
    server
        .publish_by("wendy", "acme/alpine/edge/main", tool)
        .await;
    let accounts = server.accounts();
    accounts
        .set_admin(&name("alice"), true, &crate::server::BY)
        .await
        .unwrap();

    for target in [
        "/acme",
        "/acme/edge",
        "/acme/edge/main",
        "/acme/edge/main/secret-tool",
        "/acme/edge/main/secret-tool/1.0-r0/x86_64/contents",
        "/acme/-/feed.atom",
        "/acme/edge/main/-/feed.atom",
        "/acme/-/packages/alpine/secret-tool",
        "/api/packages/acme/alpine/edge/main/x86_64/",
        "/api/packages/acme/alpine/edge/main/setup",
        "/api/packages/acme/alpine/edge/main/apk-configuration",
        "/api/packages/acme/alpine/jwks.json",
    ] {
        let anonymous = server.send(&page(target)).await;
        // A browser is sent to the sign-in page; a program is asked for credentials.
        let status = if target.starts_with("/api/") {
            401
        } else {
            303
        };
        assert_eq!(anonymous.status, status, "{target}");
        assert_eq!(server.send(&get(target)).await.status, 401, "{target}");
        for (user, allowed) in [
            ("rita", true),
            ("wendy", true),
            ("alice", true),
            ("mallory", false),
        ] {
            let answer = server
                .send(&page(target).basic(user, &password(user)))
                .await;
            let may = matches!(answer.status, 200 | 302);
            assert_eq!(may, allowed, "{user} {target}: {}", answer.text());
            let kept = answer.header("Cache-Control").unwrap();
            assert!(!kept.contains("public"), "{target}: {kept}");
        }
    }
    // Nothing of it is on the pages of others.
    for target in ["/", "/?q=secret"] {
        let anonymous = server.send(&page(target)).await.expect(200).text();
        assert!(!anonymous.contains("secret-tool"), "{anonymous}");
        let member = page(target).basic("rita", &password("rita"));
        assert!(server.send(&member).await.text().contains("secret-tool"));
    }
    // What an owner uses is for those who administer it.
    for (user, sees) in [("rita", false), ("alice", true)] {
        let owner = server
            .send(&page("/acme").basic(user, &password(user)))
            .await;
        assert_eq!(owner.text().contains("Deleted, not freed yet"), sees);
    }
}
