//! The pages of a private owner: their lines name credentials, and their links work for those who are signed in.

use crate::{
    browser::Browser,
    client::{get, head, put},
    pages::page,
    server::{TestServer, hello, package, password},
};
use tarn_store::metadata::{Role, Visibility};

/// A server with the private user `hidden`, who has a package in edge/main.
async fn with_a_private_package() -> TestServer {
    let server = TestServer::start().await;
    server.add_user("hidden", Visibility::Private).await;
    let tool = package("tool", "x86_64");
    server
        .publish_by("hidden", "hidden/alpine/edge/main", tool)
        .await;
    server
}

#[tokio::test]
async fn a_private_repository_says_how_to_use_it_with_credentials() {
    let server = with_a_private_package().await;
    let page = page("/hidden/edge/main").basic("hidden", &password("hidden"));
    let text = server.send(&page).await.expect(200).text();
    let url = "http://$AUTH@registry.test/api/packages/hidden/alpine";
    let (_, tabs) = text.split_once("aria-label=\"How to use it\"").unwrap();
    for (tab, lines) in [
        (
            "Alpine",
            &[
                format!("export AUTH=USER:TOKEN\nwget -qO- {url}/edge/main/setup | sh</pre>"),
                format!("echo {url}/edge/main &gt;&gt; /etc/apk/repositories"),
            ][..],
        ),
        (
            "apk 3",
            &[format!(
                "echo v3 {url}/edge/main &gt;&gt; /etc/apk/repositories"
            )],
        ),
        (
            "OpenWrt",
            &[format!(
                "echo {url}/edge/main/x86_64/packages.adb &gt;&gt; "
            )],
        ),
    ] {
        let (_, section) = tabs.split_once(&format!("aria-label=\"{tab}\"")).unwrap();
        let section = section.split_once("</section>").unwrap().0;
        assert!(section.contains("AUTH=USER:TOKEN\n"), "{section}");
        let key = "wget -O /etc/apk/keys/hidden@";
        let (_, key) = section.split_once(key).unwrap();
        let fetched = key.lines().nth(1).unwrap();
        assert!(fetched.contains(&format!("{url}/hidden@")), "{section}");
        for line in lines {
            assert!(section.contains(line), "{line}: {section}");
        }
    }
}

/// `HTTP_AUTH` of apko is cut at each colon.
#[tokio::test]
async fn apko_gets_the_credentials_in_the_urls_where_the_host_has_a_port() {
    let server = with_a_private_package().await;
    let on = async |host: &str| {
        let page = page("/hidden/edge/main").host(host);
        let page = page.basic("hidden", &password("hidden"));
        let text = server.send(&page).await.expect(200).text();
        let (_, tab) = text.split_once("aria-label=\"apko, melange\"").unwrap();
        tab.split_once("</section>").unwrap().0.to_owned()
    };
    let without = on("registry.test").await;
    let variable = "export HTTP_AUTH=basic:registry.test:USER:TOKEN";
    assert!(without.contains(variable), "{without}");
    let with = on("registry.test:8080").await;
    let url = "http://USER:TOKEN@registry.test:8080/api/packages/hidden/alpine";
    for line in [
        format!("    - {url}//edge/main\n"),
        format!("    - {url}/hidden@"),
    ] {
        assert!(with.contains(&line) && !with.contains("export"), "{with}");
    }
}

#[tokio::test]
async fn a_session_reads_the_files_that_pages_link_to() {
    let server = TestServer::start().await;
    server.add_organisation("acme", Visibility::Private).await;
    for user in ["rita", "mallory"] {
        server.add_user(user, Visibility::Public).await;
    }
    server.set_member("acme", "rita", Role::Read).await;
    let base = "/api/packages/acme/alpine";
    let upload = put(format!("{base}/edge/main"), hello());
    let upload = upload.basic("alice", &password("alice"));
    server.send(&upload).await.expect(201);
    let mut rita = Browser::signed_in(&server, "rita").await;
    let mut mallory = Browser::signed_in(&server, "mallory").await;
    let page = rita.text("/acme/edge/main").await;
    let links = page.split("href=\"").skip(1);
    let links = links.filter_map(|link| link.split('"').next());
    let mut files: Vec<String> = links
        .filter(|link| link.starts_with(base))
        .map(str::to_owned)
        .collect();
    // A key and both indexes at least.
    assert!(files.len() >= 3, "{page}");
    let file = format!("{base}/edge/main/x86_64/hello-1.0-r0.apk");
    for path in ["key", "jwks.json", "edge/main/setup", "edge/main/x86_64/"] {
        files.push(format!("{base}/{path}"));
    }
    files.push(file.clone());
    for path in &files {
        for request in [get(path), head(path)] {
            let answer = rita.send(request).await.expect(200);
            let kept = answer.header("Cache-Control").unwrap();
            assert!(kept.starts_with("private"), "{path}: {kept}");
        }
        mallory.get(path).await.expect(401);
        Browser::new(&server).get(path).await.expect(401);
        for (site, status) in [
            ("same-origin", 200),
            ("none", 200),
            ("cross-site", 401),
            ("same-site", 401),
        ] {
            let request = get(path).header("Sec-Fetch-Site", site);
            let answer = rita.send(request).await;
            assert_eq!(answer.status, status, "{site} {path}");
        }
    }
    // Wrong credentials stay wrong, and a session writes nothing.
    let request = get(&file).basic("rita", "a wrong one");
    rita.send(request).await.expect(401);
    let mut alice = Browser::signed_in(&server, "alice").await;
    let put = put(format!("{base}/edge/main"), package("more", "x86_64"));
    alice.send(put).await.expect(401);
    alice.send(crate::client::delete(&file)).await.expect(401);
    alice.get(&file).await.expect(200);
    // A session that ended counts no more.
    let session = rita.cookies.clone();
    rita.expect("/-/logout", &[], 303).await;
    rita.cookies = session;
    rita.get(&file).await.expect(401);
}
