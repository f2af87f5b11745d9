//! Packages that `apk mkpkg` made go in by `curl`, and apk 3 installs them.

use std::{fs, path::Path};

use tarn_testkit::must_say;

use crate::harness::{
    Answer, Apk, Mkpkg, Package, Server, alpine_or_leave_out, apk::bare, package::hex,
    server::ADMIN,
};

impl Server {
    /// Uploads to a repository of `admin`, and expects it to be taken.
    fn publish_v3(&self, alpine: &Path, repository: &str, package: &Mkpkg) -> Answer {
        let call = self.alpine("admin", &format!("/{repository}")).user(ADMIN);
        call.upload_bytes(&package.bytes(alpine)).expect(201)
    }
}

/// A package with all that one may have.
fn full(version: &str) -> Mkpkg {
    Mkpkg::new("full", version)
        .info("maintainer", "A B <a@example.org>")
        .info("repo-commit", "0123456789abcdef0123456789abcdef01234567")
        .info("provider-priority", "10")
        .info("replaces-priority", "3")
        .info("depends", "so:libfull.so.1>=1 !nothing v2-hello~1.0")
        .info("provides", &format!("cmd:full={version} virtual"))
        .info("replaces", "old<2")
        .info("install-if", "docs full")
        .info("recommends", "more")
        .info("tags", "greeting language=en")
        .file(
            "usr/bin/full",
            format!("#!/bin/sh\necho {version}\n").as_bytes(),
        )
        .hard_link("usr/bin/hard", "usr/bin/full")
        .symbolic_link("usr/bin/link", "../share/tarn/full")
        .attribute("usr/bin/full", "user.comment", b"an attribute")
        .directory("usr/lib/full")
        .script(
            "post-install",
            "#!/bin/sh\necho installed > /post-install\n",
        )
        .script("post-upgrade", "#!/bin/sh\necho upgraded > /post-upgrade\n")
        .script("trigger", "#!/bin/sh\necho \"$@\" > /triggered\n")
        .argument("--trigger", "/usr/share/watched")
}

#[test]
fn apk_installs_upgrades_audits_verifies_and_deletes_v3_packages() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let library = Mkpkg::new("libfull", "1.0-r0")
        .info("provides", "so:libfull.so.1=1.0")
        .argument("--compression", "none")
        .file("usr/share/watched/libfull", b"watched");
    server.publish_v3(&alpine, "v1/main", &library);
    server.publish_v3(&alpine, "v1/main", &full("1.0-r0"));
    server.publish("v1/main", &Package::new("v2-hello", "1.0-r0"));

    let repository = server.repository("v1/main");
    let of_v3 = [format!("v3 {repository}")];
    let apk = Apk::with_whole_root(&alpine, &of_v3).trusting(&server, "admin", "");
    apk.expect(&["update"]);
    assert_eq!(
        apk.search(&["full", "v2-hello"]),
        ["full-1.0-r0", "libfull-1.0-r0", "v2-hello-1.0-r0"]
    );
    apk.expect(&["add", "full"]);
    for (path, content) in [
        ("usr/share/tarn/full", "1.0-r0"),
        ("usr/share/tarn/v2-hello", "1.0-r0"),
        ("usr/bin/hard", "#!/bin/sh\necho 1.0-r0\n"),
        ("post-install", "installed\n"),
        ("triggered", "/usr/share/watched\n"),
    ] {
        assert_eq!(apk.installed(path).as_deref(), Some(content), "{path}");
    }
    let link = fs::read_link(apk.root().join("usr/bin/link")).unwrap();
    assert_eq!(link, Path::new("../share/tarn/full"));
    // Not every file system of a test takes attributes.
    let attribute = |path: &Path| {
        let mut value = [0; 100];
        let length = rustix::fs::getxattr(path, "user.comment", &mut value[..]).ok()?;
        value.get(..length).map(<[u8]>::to_vec)
    };
    let installed = apk.root().join("usr/bin/full");
    let probe = apk.root().join("probe");
    fs::write(&probe, "").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&probe, "user.comment", b"x", flags).is_ok() {
        assert_eq!(attribute(&installed).as_deref(), Some(&b"an attribute"[..]));
    }
    let audited = apk.expect(&[
        "audit",
        "--check-permissions",
        "/usr/bin",
        "/usr/share/tarn",
    ]);
    assert!(!audited.contains("full"), "{audited}");

    server.publish_v3(&alpine, "v1/main", &full("1.1-r0"));
    let upgraded = apk.expect(&["upgrade"]);
    must_say(&upgraded, "Upgrading full (1.0-r0 -> 1.1-r0)");
    apk.must_have("post-upgrade", "upgraded\n");
    let folder = apk.fetched();
    apk.expect(&["fetch", "--output", folder.to_str().unwrap(), "full"]);
    let file = folder.join("full-1.1-r0.apk");
    let verified = apk.expect(&["verify", "--allow-untrusted", file.to_str().unwrap()]);
    assert!(verified.contains("OK"), "{verified}");
    apk.expect(&["del", "full"]);
    assert_eq!(apk.installed("usr/bin/full"), None);
    assert_eq!(apk.installed("usr/share/tarn/libfull"), None);

    // The index named in full, and one without v3 packages for those who read no other.
    let by_file = [format!("{repository}/x86_64/Packages.adb")];
    let apk = Apk::new(&alpine, &by_file).trusting(&server, "admin", "");
    apk.expect(&["add", "--no-scripts", "full=1.0-r0"]);
    apk.must_have("usr/share/tarn/full", "1.0-r0");
    let of_v3 = apk.search(&[]);
    assert!(of_v3.contains(&"full-1.1-r0".to_owned()), "{of_v3:?}");
    apk.set_repositories(std::slice::from_ref(&repository));
    let of_v2 = apk.search(&[]);
    assert_eq!(of_v2, ["v2-hello-1.0-r0"]);

    // Every form of a line that apk knows (`apk-repositories(5)`), for either index.
    let (base, _) = repository.rsplit_once("/v1/main").unwrap();
    for (lines, found) in [
        (format!("ndx {repository}/x86_64/Packages.adb"), &of_v3),
        (format!("ndx {repository}/x86_64/packages.adb"), &of_v3),
        (format!("ndx {repository}/x86_64/APKINDEX.tar.gz"), &of_v2),
        (format!("v3 {base} v1/main"), &of_v3),
        (
            format!("set tarn={base}\nndx ${{tarn}}/v1/main/${{APK_ARCH}}/packages.adb"),
            &of_v3,
        ),
    ] {
        apk.set_repositories(std::slice::from_ref(&lines));
        assert_eq!(apk.search(&[]), *found, "{lines}");
    }
    // A tagged one is for those only who name the tag.
    let tagged = format!("ndx @tarn {repository}/x86_64/Packages.adb");
    apk.set_repositories(&[tagged]);
    apk.expect(&["del", "full"]);
    let refused = apk.expect_failure(&["add", "libfull"]);
    assert!(refused.contains("masked"), "{refused}");
    apk.expect(&["add", "libfull@tarn"]);
    apk.must_have("usr/share/watched/libfull", "watched");
}

/// What `apk adbdump` says, without its comments.
fn dumped(alpine: &Path, file: &Path) -> Vec<String> {
    let run = bare(
        alpine,
        &["adbdump", "--allow-untrusted", file.to_str().unwrap()],
    );
    assert!(run.success, "{}", run.output);
    let lines = run.output.lines();
    let said = lines.filter(|line| !line.starts_with('#') && !line.starts_with("sig "));
    said.map(|line| line.split(" # ").next().unwrap_or(line).to_owned())
        .collect()
}

#[test]
fn the_index_says_of_both_formats_what_apk_mkndx_says() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for package in [
        full("1.0-r0"),
        full("1.10-r0").argument("--compression", "none"),
        full("1.9-r0"),
        Mkpkg::of_arch("noarch", "1~abc-r0", "noarch"),
        // OpenWrt's second layer, a hash as its kernels have in their versions, and a long commit.
        Mkpkg::new("layered", "6.6.73~6a9026c67cfe-r1")
            .info("layer", "1")
            .info("depends", "kernel=6.6.73~6a9026c67cfe-r1 a<2 a>=1 c~2")
            .info("repo-commit", &"ab".repeat(32)),
    ] {
        server.publish_v3(&alpine, "v1/main", &package);
        files.push(package.write_into(&alpine, folder.path()));
    }
    for package in [
        Package::new("v2-full", "2.0-r1")
            .field("depend", "a>1 !b so:c.so.1")
            .field("provides", "cmd:v2=2.0-r1")
            .field("replaces", "old<2")
            .field("commit", &"0a".repeat(20)),
        Package::new("v2-noarch", "1.0-r0").arch("noarch"),
    ] {
        server.publish("v1/main", &package);
        files.push(package.write_into(folder.path()));
    }
    let ours = folder.path().join("ours.adb");
    let index = |name| {
        server
            .alpine("admin", &format!("/v1/main/x86_64/{name}"))
            .expect(200)
    };
    fs::write(&ours, index("Packages.adb").body).unwrap();
    let theirs = folder.path().join("theirs.adb");
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let output = ["--output", theirs.to_str().unwrap()];
    let arguments = [&["mkndx", "--allow-untrusted"], &output[..], &files].concat();
    let run = bare(&alpine, &arguments);
    assert!(run.success, "{}", run.output);
    assert_eq!(dumped(&alpine, &ours), dumped(&alpine, &theirs));
    let json = ["adbdump", "--allow-untrusted", "--format", "json"];
    let json = bare(&alpine, &[&json[..], &[ours.to_str().unwrap()]].concat());
    assert_eq!(index("index.json").text(), json.output);
}

#[test]
fn a_large_v3_package_goes_in_and_comes_out_whole() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    // 200 MB that deflate to little, so that the test has time for both ways.
    let content: Vec<u8> = (0..=190_u8)
        .flat_map(|byte| std::iter::repeat_n(byte, 1 << 20))
        .collect();
    let package = Mkpkg::new("large", "1.0-r0").file("usr/share/large", &content);
    server.publish_v3(&alpine, "v1/main", &package);
    let repositories = [format!("v3 {}", server.repository("v1/main"))];
    let apk = Apk::new(&alpine, &repositories).trusting(&server, "admin", "");
    apk.expect(&["add", "large"]);
    let installed = fs::read(apk.root().join("usr/share/large")).unwrap();
    assert!(installed == content, "{} bytes", installed.len());

    // zstd at its largest window, where this apk was built with it. Alpine's was not.
    let zstd = Mkpkg::new("zstd", "1.0-r0").argument("--compression", "zstd:22");
    match zstd.try_bytes(&alpine) {
        Ok(bytes) => {
            server.upload("admin", "v1/main", &bytes).expect(201);
            apk.expect(&["add", "zstd"]);
            let installed = apk.installed("usr/share/tarn/zstd");
            assert_eq!(installed.as_deref(), Some("1.0-r0"));
        }
        Err(said) => assert!(said.contains("compression"), "{said}"),
    }
}

#[test]
fn a_feed_serves_openwrt_as_its_images_ask_for_it() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let arch = "aarch64_cortex-a53";
    let tool = Mkpkg::of_arch("tool", "1.0-r1", arch).info("depends", "luci-app");
    let app = Mkpkg::of_arch("luci-app", "26.1~0a1b2c3-r1", "noarch");
    server.publish_v3(&alpine, "25.12/feed", &tool);
    server.publish_v3(&alpine, "25.12/feed", &app);
    // What OpenWrt's own makefiles call `all`, its builder writes as `noarch`: apk knows no other word.
    let all = Mkpkg::of_arch("everywhere", "1.0-r1", "all");
    let refused = server
        .upload("admin", "25.12/feed", &all.bytes(&alpine))
        .expect(400);
    assert!(refused.text().contains("write `noarch`"), "{refused}");

    // As it stands in /etc/apk/repositories.d/customfeeds.list.
    let feed = format!("{}/{arch}/packages.adb", server.repository("25.12/feed"));
    let apk = Apk::of(&server, &alpine, feed).arch(arch);
    assert_eq!(apk.search(&[]), ["luci-app-26.1~0a1b2c3-r1", "tool-1.0-r1"]);
    apk.expect(&["add", "--no-scripts", "tool"]);
    apk.must_have("usr/share/tarn/luci-app", "26.1~0a1b2c3-r1");
    // A device of another architecture gets the noarch packages, and what a builder reads is the same file.
    let other = format!(
        "{}/mipsel_24kc/packages.adb",
        server.repository("25.12/feed")
    );
    apk.set_repositories(&[other]);
    assert_eq!(apk.search(&[]), ["luci-app-26.1~0a1b2c3-r1"]);
}

#[test]
fn a_package_that_is_signed_itself_is_verified_by_apk_and_shown_with_its_signer() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("v2-hello", "1.0-r0"));
    let folder = tempfile::tempdir().unwrap();
    let rsa = server.alpine("admin", "/key").expect(200);
    // As OpenWrt's builders have them.
    let curve = server.tarn("key rotate admin --type ec-p256");
    for (version, name) in [("1.0-r0", rsa.file_name()), ("1.1-r0", curve.trim_end())] {
        let key = folder.path().join(version);
        let private = server.tarn(&format!("key export admin {name} --private"));
        fs::write(&key, private).unwrap();
        let package = Mkpkg::new("signed", version).argument("--sign-key", key.to_str().unwrap());
        // Once: a signature on a curve is another each time.
        let sent = package.bytes(&alpine);
        let answer = server.upload("admin", "v1/main", &sent).expect(201);
        assert!(answer.body.is_empty(), "{answer}");
        let path = format!("/api/v1/packages/admin/alpine/signed/{version}/files");
        let files = server.curl(&path).user(ADMIN).expect(200);
        let files: serde_json::Value = serde_json::from_slice(&files.body).unwrap();
        assert_eq!(files[0]["format"], "v3");
        assert_eq!(files[0]["signatures"][0]["verified_by"], name);
        let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&sent);
        assert_eq!(files[0]["sha256"], hex(&sha256));
        let path = format!("/admin/v1/main/signed/{version}");
        let page = server.curl(&path).expect(200);
        let said = format!("<dd><code>{name}</code> ");
        assert!(page.text().contains(&said), "{page}");

        // apk verifies a file by the package's own signature, with a key under any name.
        let path = format!("/v1/main/x86_64/signed-{version}.apk");
        let file = folder.path().join(format!("signed-{version}.apk"));
        fs::write(&file, server.alpine("admin", &path).expect(200).body).unwrap();
        let verify = ["verify", file.to_str().unwrap()];
        let public = server.tarn(&format!("key export admin {name}"));
        let apk = Apk::new(&alpine, &[]).with_key("any.pem", public.as_bytes());
        let verified = apk.expect(&verify);
        assert!(verified.contains("OK"), "{verified}");
        // Such a file is installed by itself, too.
        apk.expect(&["add", file.to_str().unwrap()]);
        let installed = apk.installed("usr/share/tarn/signed");
        assert_eq!(installed.as_deref(), Some(version));
        let (refused, mut changed) = (Apk::new(&alpine, &[]), sent.clone());
        let refused = refused.expect_failure(&verify);
        assert!(refused.contains("UNTRUSTED"), "{refused}");
        let last = changed.len() - 40;
        changed[last] ^= 1;
        fs::write(&file, changed).unwrap();
        apk.expect_failure(&verify);
    }
    // An unsigned one is taken, and shown as such.
    server.publish_v3(&alpine, "v1/main", &Mkpkg::new("unsigned", "1.0-r0"));
    let page = server.curl("/admin/v1/main/unsigned").expect(200);
    assert!(page.text().contains("no key: clients verify the index"));
}
