//! The pages in a real browser: Chromium, led by `tests/browser/main.mjs`. What that stands on is brought by
//! `scripts/install-browser`. With `TARN_SCREENSHOTS` set to a folder it writes pictures of the pages there and tests nothing
//! (`make screenshots`).

use std::{env, fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::harness::{
    Apk, Mkpkg, Package, Server, alpine_or_leave_out,
    server::{ADMIN, PASSWORD},
    tools,
};

/// As in `tests/browser/world.mjs`.
const HOSTILE: &str = "\"><script>ran=1</script><img src=//evil.example/x onerror=ran=1>'&";

/// The longest name of a package here.
const LONG: &str =
    "a-package-whose-name-is-as-long-as-names-of-sub-packages-of-large-projects-can-be-doc";

#[test]
fn people_do_their_work_with_the_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let (Some(mut first), Some(mut then), Some(alpine)) = (
        tools::node_or_leave_out(&folder),
        tools::node_or_leave_out(&folder),
        alpine_or_leave_out(),
    ) else {
        return;
    };
    let root = Apk::with_whole_root(&alpine, &[]);
    let packages = TempDir::new().unwrap();
    for name in ["hello", "world", "third", "fourth"] {
        Package::new(name, "1.0-r0").write_into(packages.path());
    }
    write_hostile(packages.path(), &alpine);
    let server = Server::start();
    let run = |node: &mut Command, part: &str| {
        node.arg(folder.join("main.mjs"));
        node.args([&server.base, PASSWORD]).arg(packages.path());
        let ended = node.arg(part).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        let errors = String::from_utf8_lossy(&ended.stderr);
        println!("{errors}");
        assert!(ended.status.success(), "{said}\n{errors}");
        assert_eq!(said, "done\n");
    };
    let pictures = env::var_os("TARN_SCREENSHOTS").is_some();
    if !pictures {
        run(&mut first, "first");
    }
    fill(&server, &alpine);
    then.env("TARN_ALPINE_ROOT", root.root());
    run(&mut then, if pictures { "pictures" } else { "then" });
}

/// Packages of both formats that mean harm with everything they say, in files with such names; and one that is refused for what it says.
fn write_hostile(folder: &Path, alpine: &Path) {
    let refused = Package::new("refused", "1.0-r0").field("replaces", HOSTILE);
    refused.write_into(folder);
    let folder = folder.join("hostile");
    fs::create_dir(&folder).unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let named = format!("{name}{}.apk", HOSTILE.replace('/', "∕"));
        fs::write(folder.join(named), bytes).unwrap();
    };
    for name in ["evil", "evil-too"] {
        write(name, hostile(name).bytes());
    }
    write("evil-three", hostile_v3("evil-three").bytes(alpine));
}

/// Means harm with everything it says. What apk allows in names of dependencies is letters, digits and a few marks.
fn hostile(name: &str) -> Package {
    let info = format!(
        "pkgname = {name}\npkgver = 1.0-r0\npkgdesc = {HOSTILE}\nurl = javascript:ran=1//{HOSTILE}\nbuilddate = 1700000000\n\
         packager = {HOSTILE}\nsize = 1\narch = x86_64\norigin = evil\nmaintainer = {HOSTILE}\nlicense = {HOSTILE}\n\
         commit = {HOSTILE}\ntriggers = /usr/*\"><script>ran=1</script>\ndepend = so:[evil]:x\nprovides = cmd:[evil]=1\n\
         replaces = [evil]:/replaced<1\ninstall_if = [evil]:/if>1 evil\n"
    );
    Package::new(name, "1.0-r0")
        .pkginfo(info)
        .file(&format!("usr/{}", HOSTILE.replace('/', "")), "")
        .symbolic_link("usr/link", HOSTILE)
        .script(".post-install", &format!("#!/bin/sh\n# {HOSTILE}\n"))
        .script(".trigger", &format!("#!/bin/sh\n# {HOSTILE}\n"))
}

/// The same as `apk mkpkg` makes it. A layer is a number.
fn hostile_v3(name: &str) -> Mkpkg {
    let mut package = Mkpkg::new(name, "1.0-r0");
    for field in ["description", "license", "maintainer"] {
        package = package.info(field, HOSTILE);
    }
    for field in [
        "depends",
        "provides",
        "replaces",
        "install-if",
        "recommends",
        "tags",
    ] {
        package = package.info(field, &format!("[evil]:/{field}"));
    }
    package
        .info("origin", "evil")
        .info("url", &format!("javascript:ran=1//{HOSTILE}"))
        .info("layer", "1")
        .file(&format!("usr/{}", HOSTILE.replace('/', "")), b"")
        .symbolic_link("usr/link", HOSTILE)
        .argument("--trigger", "/usr/*\"><script>ran=1</script>")
        .script("post-install", &format!("#!/bin/sh\n# {HOSTILE}\n"))
        .script("trigger", &format!("#!/bin/sh\n# {HOSTILE}\n"))
}

/// Organisations as they are in a company: `acme` for everyone, `vault` for its members, `empty` with nothing in it.
fn fill(server: &Server, alpine: &Path) {
    for user in ["reader", "writer", "keeper", "root"] {
        server.add_user(user, "public");
    }
    server.tarn("user admin root");
    for (organisation, visibility) in [
        ("acme", "public"),
        ("vault", "private"),
        ("empty", "public"),
    ] {
        server.tarn(&format!(
            "org add {organisation} --owner admin --visibility {visibility}"
        ));
    }
    for (user, role) in [("reader", "read"), ("writer", "write"), ("keeper", "admin")] {
        server.tarn(&format!("org member vault {user} --role {role}"));
    }
    let hook = r#"{"config": {"url": "https://hooks.example/vault"}, "active": false}"#;
    let call = server.curl("/api/v1/orgs/vault/hooks").user(ADMIN);
    call.json(hook).expect(201);
    let publish = |owner: &str, repository: &str, package: Package| {
        server.publish_for(owner, repository, &package);
    };
    publish("vault", "edge/main", Package::new("vaulted", "1.0-r0"));
    for arch in ["x86_64", "aarch64"] {
        for package in of_acme() {
            publish("acme", "v3.23/main", package.arch(arch));
        }
        publish("acme", "v3.22/main", agent("2.3.0-r0").arch(arch));
    }
    let documents = described(
        "acme-agent-doc",
        "2.4.1-r0",
        "acme-agent",
        "Manual pages of acme-agent",
    );
    publish("acme", "v3.23/main", documents.arch("noarch"));
    publish("acme", "edge/testing", agent("2.5.0_rc1-r0"));
    let long = described(
        LONG,
        "20261129.1-r12",
        "acme-agent",
        "A name that is too long for a column, and a sentence that goes on for a while after it",
    );
    publish(
        "acme",
        "edge/testing",
        long.field("depend", &format!("so:lib{LONG}.so.1>=2")),
    );
    let three = Mkpkg::new("acme-three", "3.0-r0").info("tags", "metrics");
    server
        .upload("acme", "edge/three", &three.bytes(alpine))
        .expect(201);
    server.tarn("org versions acme lenient");
    publish(
        "acme",
        "edge/testing",
        described(
            "acme-nightly",
            "2026-11-29",
            "acme-agent",
            "Has a version that apk can't order",
        ),
    );
    // What is asked for has been made.
    for arch in ["x86_64", "aarch64"] {
        let path = format!("/v3.23/main/{arch}/APKINDEX.tar.gz");
        server.alpine("acme", &path).expect(200);
    }
}

/// A package with a description and an origin of its own.
fn described(name: &str, version: &str, origin: &str, description: &str) -> Package {
    let info = format!(
        "pkgname = {name}\npkgver = {version}\npkgdesc = {description}\nurl = https://acme.example/{origin}\nbuilddate = 1795000000\n\
         packager = CI of acme <ci@acme.example>\nsize = 48213\narch = ARCH\norigin = {origin}\n\
         maintainer = Ada Lovelace <ada@acme.example>\nlicense = MIT\ncommit = 5f2ddfab1d0c9c6f4a7e8c0e6d2b1a9f8e7d6c5b\n"
    );
    Package::new(name, version).usual(&info)
}

fn agent(version: &str) -> Package {
    described(
        "acme-agent",
        version,
        "acme-agent",
        "Collects metrics of a machine and sends them to acme",
    )
    .field("depend", "so:libacme.so.3")
    .field("depend", "so:libc.musl-x86_64.so.1")
    .field("depend", "ca-certificates-bundle")
    .field("provides", "cmd:acme-agent=2.4.1-r0")
    .file("etc/acme/agent.toml", "interval = 30\n")
    .script(
        ".post-install",
        "#!/bin/sh\naddgroup -S acme 2>/dev/null\nadduser -S -G acme acme 2>/dev/null\nexit 0\n",
    )
}

fn of_acme() -> Vec<Package> {
    vec![
        agent("2.3.0-r0"),
        agent("2.4.1-r0"),
        described(
            "acme-agent-openrc",
            "2.4.1-r0",
            "acme-agent",
            "OpenRC service of acme-agent",
        )
        .field("install_if", "acme-agent=2.4.1-r0 openrc")
        .field("depend", "acme-agent"),
        described("libacme", "3.1.0-r2", "libacme", "The protocol of acme")
            .field("provides", "so:libacme.so.3=3.1.0"),
        described(
            "libacme-dev",
            "3.1.0-r2",
            "libacme",
            "The protocol of acme (headers)",
        )
        .field("depend", "libacme=3.1.0-r2")
        .field("provides", "pc:acme=3.1.0"),
        described(
            "acme-cli",
            "1.9.0-r0",
            "acme-cli",
            "Asks the servers of acme from a terminal",
        )
        .field("depend", "so:libacme.so.3")
        .field("depend", "acme-config>=2")
        .field("provides", "cmd:acme=1.9.0-r0"),
        described(
            "acme-config",
            "1.4-r0",
            "acme-config",
            "Addresses and certificates of acme",
        ),
    ]
}
