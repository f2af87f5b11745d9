//! What the pages tell people to type, typed: the text is read from the page and run by a stock Alpine.

use tarn_testkit::must_say;

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

#[test]
fn a_stock_alpine_does_what_the_page_says() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let page = page(&server, "/admin/v1/main");
    let commands = commands(&page);
    let of = |word: &str| {
        let found = commands.iter().find(|command| command.contains(word));
        found
            .unwrap_or_else(|| panic!("{word}: {commands:#?}"))
            .as_str()
    };
    for text in [of("/setup | sh"), of("echo http"), of("echo v3 ")] {
        let apk = Apk::stock(&alpine);
        let run = |text: &str| apk.inside(text, &[]);
        for text in [text, "apk add --no-interactive hello"] {
            let done = run(text);
            assert!(done.success, "{text}\n{}", done.output);
        }
        apk.must_have("usr/share/tarn/hello", "1.0-r0");
        // Once more changes nothing.
        if text.contains("/setup") {
            let done = run(text);
            assert!(done.success, "{}", done.output);
            must_say(&done.output, "already");
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
    let apk = Apk::stock(&alpine);
    let (scheme, host) = server.base.split_once("://").unwrap();
    let credentials = format!("admin:{PASSWORD}");
    let url = format!("{scheme}://{credentials}@{host}/api/packages/admin/alpine/v1/main/setup");
    let line = format!("wget -qO- {url} | sh");
    let refused = apk.inside(&line, &[]);
    assert!(!refused.success, "{}", refused.output);
    must_say(&refused.output, "AUTH=USER:TOKEN");
    let done = apk.inside(&line, &[("AUTH", &credentials)]);
    assert!(done.success, "{}", done.output);
    let done = apk.inside("apk add --no-interactive hello", &[]);
    assert!(done.success, "{}", done.output);
}
