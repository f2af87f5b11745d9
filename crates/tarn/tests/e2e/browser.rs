//! The pages in a real browser: Chromium, led by `tests/browser/main.mjs`. What that stands on is brought by
//! `scripts/install-browser`. With `TARN_SCREENSHOTS` set to a folder it also writes pictures of the pages there (`make screenshots`).

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::harness::{Package, Server, server::PASSWORD, tools};

#[test]
fn people_do_their_work_with_the_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let Some(mut node) = tools::node_or_leave_out(&folder) else {
        return;
    };
    let packages = TempDir::new().unwrap();
    for name in ["hello", "world", "third"] {
        let file = packages.path().join(format!("{name}-1.0-r0.apk"));
        fs::write(file, Package::new(name, "1.0-r0").bytes()).unwrap();
    }
    let server = Server::start();
    node.arg(folder.join("main.mjs"));
    node.args([&server.base, PASSWORD]).arg(packages.path());
    let ended = node.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}\n{errors}");
    assert_eq!(said, "done\n");
}
