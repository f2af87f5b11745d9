//! What the pages tell people to type, typed: the text is read from the page and run by a stock Alpine.

use std::process::{Command, Stdio};

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, curl::bare, server::PASSWORD};

/// A page as a browser gets it.
fn page(server: &Server, path: &str) -> String {
    let mut call = bare("-f");
    call.args(["-H", "Accept: text/html"]);
    let output = call.arg(format!("{}{path}", server.base)).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The texts to be copied on a page.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("<div class=\"copy\"><pre>").skip(1);
    let texts = blocks.map(|block| block.split("</pre>").next().unwrap());
    texts
        .map(|text| text.replace("&gt;", ">").replace("&amp;", "&"))
        .collect()
}

/// Runs that as root in a copy of Alpine. Gives whether it went well, and what it printed.
fn run(apk: &Apk, text: &str, auth: Option<&str>) -> (bool, String) {
    let mut shell = if rustix::process::geteuid().is_root() {
        Command::new("chroot")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "chroot"]);
        command
    };
    shell.arg(apk.root()).args(["/bin/sh", "-c", text]);
    shell.env_clear().env("HOME", "/root");
    shell.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    if let Some(auth) = auth {
        shell.env("AUTH", auth);
    }
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// A copy of Alpine that has no repositories yet.
fn stock(alpine: &std::path::Path) -> Apk {
    let apk = Apk::with_whole_root(alpine, &[]);
    std::fs::write(apk.root().join("etc/apk/repositories"), "").unwrap();
    apk
}

#[test]
fn a_stock_alpine_does_what_the_page_says() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let page = page(&server, "/admin/v1/main");
    let commands = commands(&page);
    let of = |word: &str| {
        let found = commands.iter().find(|command| command.contains(word));
        found.unwrap_or_else(|| panic!("{word}: {commands:#?}"))
    };
    for text in [
        of("/setup | sh").clone(),
        of("echo http").clone(),
        of("echo v3 ").clone(),
    ] {
        let apk = stock(&alpine);
        let (done, said) = run(&apk, &text, None);
        assert!(done, "{text}\n{said}");
        let (done, said) = run(&apk, "apk add --no-interactive hello", None);
        assert!(done, "{text}\n{said}");
        apk.must_have("usr/share/tarn/hello", "1.0-r0");
        // Once more changes nothing.
        if text.contains("/setup") {
            let (done, said) = run(&apk, &text, None);
            assert!(done && said.contains("already"), "{said}");
            let lines = apk.installed("etc/apk/repositories").unwrap();
            assert_eq!(lines.lines().count(), 1, "{lines}");
        }
    }
}

#[test]
fn the_script_sets_up_a_private_repository() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    server.tarn("user visibility admin private");
    let apk = stock(&alpine);
    let (scheme, host) = server.base.split_once("://").unwrap();
    let credentials = format!("admin:{PASSWORD}");
    let url = format!("{scheme}://{credentials}@{host}/api/packages/admin/alpine/v1/main/setup");
    let (done, said) = run(&apk, &format!("wget -qO- {url} | sh"), None);
    assert!(!done && said.contains("AUTH=USER:TOKEN"), "{said}");
    let (done, said) = run(&apk, &format!("wget -qO- {url} | sh"), Some(&credentials));
    assert!(done, "{said}");
    let (done, said) = run(&apk, "apk add --no-interactive hello", None);
    assert!(done, "{said}");
}
