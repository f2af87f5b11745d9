//! No upload that is taken may make apk refuse the index, for itself or for others.

use std::{collections::BTreeSet, sync::Mutex, thread};

use apk_testkit::facts::PKGINFO;

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out, server::ADMIN};

/// Keys that may come many times, and that an ordinary package of these tests does not have.
const LISTS: [&str; 5] = ["depend", "provides", "install_if", "replaces", "triggers"];

/// The lines of an ordinary PKGINFO. A case replaces one of them, or adds one.
fn usual() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = PKGINFO.lines().filter_map(|line| line.split_once(" = "));
    lines.filter(|(key, _)| !LISTS.contains(key))
}

fn values() -> Vec<Vec<u8>> {
    let texts = [
        "",
        " ",
        "  x  ",
        "a\u{1}b",
        "a\0b",
        "\0",
        "a\tb",
        "a\rb",
        "a\u{b}b",
        "a\u{7f}b",
        "\u{1b}[31mred",
        "\u{e9}t\u{e9}",
        "\u{65e5}\u{672c}",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{202e}b",
        "\u{feff}a",
        "@",
        "a@b",
        "x@edge",
        "@edge",
        "a b c",
        "a  b",
        "!",
        "!!a",
        "!a",
        "!a=1",
        "a=1=2",
        "a=",
        "=1",
        "a>=",
        "a>=1.0",
        "a~1",
        "a=~1",
        "a~=1",
        "a<>1",
        "a><1",
        "a><Q1abc",
        "a><Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "a<",
        "a<1 b>2",
        "a==1",
        "a=>1",
        "a>1.0_foo",
        "a=1-r",
        "a=1.0-r0-r0",
        "so:",
        "so:a.so.1=1",
        "cmd:x=1",
        "/",
        "/bin/sh",
        "a:b",
        ":",
        "|",
        "a|b",
        "-",
        "-1",
        "--x",
        "1",
        "0",
        "01",
        "+1",
        "1.5",
        "18446744073709551615",
        "18446744073709551616",
        "4294967296",
        "9223372036854775808",
        "1e5",
        "0x10",
        "1.0_git20240101",
        "1.0~abc",
        "1.0-r99999999999999999999",
        "C:Q1abc",
        "P:evil",
        "%s%n%x",
        "../x",
        "a/b",
        "..",
        ".",
        ".a",
        "$(id)",
        "#",
        "# comment",
        "=",
        "==",
        "a,b",
        "a;b",
        "[x]",
        "{x}",
        "_",
        "'",
        "\"",
        "\\",
        "\\n",
        "a\\\nb",
        "control",
        "!control",
        "control=9",
        "noarch",
        "all",
        "any",
    ];
    let mut values: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    values.push(b"\xff\xfe".to_vec());
    values.push(b"ok\xc3".to_vec());
    values.push(b"\xed\xa0\x80".to_vec());
    for length in [
        127, 128, 129, 255, 256, 1000, 2040, 2100, 9000, 70_000, 131_072,
    ] {
        values.push(vec![b'a'; length]);
        values.push(vec![b'1'; length]);
    }
    values
}

/// One hostile PKGINFO, with the key it is hostile in.
fn pkginfo(name: &str, key: &str, value: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |key: &str, value: &[u8]| {
        text.extend_from_slice(key.as_bytes());
        text.extend_from_slice(b" = ");
        text.extend_from_slice(value);
        text.push(b'\n');
    };
    for (usual, ordinary) in usual() {
        match usual {
            _ if usual == key => line(key, value),
            "pkgname" => line(usual, name.as_bytes()),
            "size" => line(usual, b"6"),
            _ => line(usual, ordinary.as_bytes()),
        }
    }
    if LISTS.contains(&key) {
        line(key, value);
    }
    text
}

#[test]
fn no_field_of_pkginfo_breaks_an_index() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("control", "1.0-r0"));
    let keys = usual().map(|(key, _)| key).chain(LISTS);
    let cases: Vec<(&str, Vec<u8>)> = keys
        .flat_map(|key| values().into_iter().map(move |value| (key, value)))
        .collect();
    let faults = Mutex::new(Vec::new());
    let taken = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for client in 0..4 {
            let (server, cases, faults, taken) = (&server, &cases, &faults, &taken);
            scope.spawn(move || {
                for (number, (key, value)) in cases.iter().enumerate().skip(client).step_by(4) {
                    let package = Package::new("hostile", "1.0-r0");
                    let package = package.pkginfo(pkginfo(&format!("h{number}"), key, value));
                    let answer = server.upload("admin", "v1/main", &package.bytes()).run();
                    let shown = String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned();
                    match answer.status {
                        201 => taken.lock().unwrap().push(format!("{key} = {shown:?}")),
                        400 if answer.text().contains(key) => answer.assert_plain_refusal(),
                        // What is no text has no field yet, but a line.
                        400 if answer.text().contains("UTF-8")
                            && answer.text().contains("line ") => {}
                        // A name that another case has used already.
                        409 if *key == "pkgname" => {}
                        _ => faults
                            .lock()
                            .unwrap()
                            .push(format!("{key} = {shown:?}: {answer}")),
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    let taken = taken.into_inner().unwrap();
    assert!(
        taken.len() > 200,
        "only {} of {} taken",
        taken.len(),
        cases.len()
    );
    assert_apk_takes_all(&server, &alpine, &taken);
}

/// That apk lists every package of the repository as the server does, and installs `control`.
fn assert_apk_takes_all(server: &Server, alpine: &std::path::Path, taken: &[String]) {
    for arch in ["x86_64", "noarch"] {
        let path = format!("/v1/main/{arch}/APKINDEX.tar.gz");
        if server.alpine("admin", &path).run().status == 404 {
            continue;
        }
        let listed: BTreeSet<String> = server
            .index_for("v1/main", arch)
            .packages()
            .into_iter()
            .collect();
        let apk = Apk::new(alpine, &[])
            .arch(arch)
            .trusting(server, "admin", "");
        apk.set_repositories(&[server.repository("v1/main")]);
        let offered: BTreeSet<String> = apk.search(&[]).into_iter().collect();
        let missing: Vec<&String> = listed.symmetric_difference(&offered).collect();
        assert!(
            missing.is_empty(),
            "{arch}: {missing:?}; taken were {taken:#?}"
        );
        if arch == "x86_64" {
            apk.expect(&["add", "--simulate", "control"]);
            apk.expect(&["add", "--no-scripts", "control"]);
        }
    }
}

#[test]
fn no_shape_of_pkginfo_breaks_an_index() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("control", "1.0-r0"));
    let usual = |name: &str| pkginfo(name, "", b"");
    let with = |name: &str, more: &[u8]| [usual(name).as_slice(), more].concat();
    let provides = |count: usize| -> Vec<u8> {
        (0..count)
            .flat_map(|number| format!("provides = virtual{number}=1.0-r0\n").into_bytes())
            .collect()
    };
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "crlf",
            String::from_utf8(usual("s0"))
                .unwrap()
                .replace('\n', "\r\n")
                .into_bytes(),
        ),
        ("no line end", with("s1", b"# the end")),
        ("a cut key", with("s2", b"depend")),
        (
            "no spaces",
            String::from_utf8(usual("s3"))
                .unwrap()
                .replace(" = ", "=")
                .into_bytes(),
        ),
        ("blank lines", with("s4", b"\n\n\n")),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf".as_slice(), &usual("s5")].concat(),
        ),
        (
            "a long comment",
            with(
                "s6",
                &[b"# ".as_slice(), &vec![b'x'; 100_000], b"\n"].concat(),
            ),
        ),
        ("zeros", with("s7", &[0; 512])),
        ("pkgname twice", with("s8", b"pkgname = other\n")),
        ("unknown keys", with("s9", b"newkey = x\nX = y\nC = Q1\n")),
        ("no equals sign", with("s10", b"no equals sign\n")),
        ("ten provides", with("s11", &provides(10))),
        ("two hundred provides", with("s12", &provides(200))),
        (
            "a hundred thousand provides",
            with("s13", &provides(100_000)),
        ),
        (
            "one provides line with many",
            with(
                "s14",
                format!("provides = {}\n", "a=1 ".repeat(1000)).as_bytes(),
            ),
        ),
        ("empty", Vec::new()),
        ("nothing but line ends", vec![b'\n'; 1000]),
        ("nothing but zeros", vec![0; 1000]),
        (
            "two megabytes",
            with("s15", &b"# comment\n".repeat(200_000)),
        ),
    ];
    cases.push((
        "a record in the description",
        with("s16", b"license = MIT\n\nC:Q1x\nP:evil\n"),
    ));
    let mut taken = Vec::new();
    for (what, info) in cases {
        let package = Package::new("hostile", "1.0-r0").pkginfo(info);
        let answer = server.upload("admin", "v1/main", &package.bytes()).run();
        match answer.status {
            201 => taken.push(what.to_owned()),
            400 | 413 => answer.assert_plain_refusal(),
            _ => panic!("{what}: {answer}"),
        }
    }
    for what in ["blank lines", "unknown keys", "ten provides"] {
        assert!(taken.iter().any(|name| name == what), "{what} was refused");
    }
    assert_apk_takes_all(&server, &alpine, &taken);
}

#[test]
fn apk_reads_the_longest_line_that_is_taken() {
    let alpine = found!(alpine_or_leave_out());
    // apk reads by lines into a buffer of 128 KiB, and apk 3 may lose 7 bytes of that. A record has to fit with all its lines.
    let too_long = (128 << 10) - 7;
    let longest = (128 << 10) - 512;
    // `p:` and a line feed, and between the names a space.
    let provides = |length: usize| -> Vec<u8> {
        let mut left = length - 3;
        let mut lines = String::new();
        for number in 0.. {
            let name = format!("virtual{number}-{}", "x".repeat(150));
            if left < name.len() + 60 {
                lines += &format!("provides = {}\n", "y".repeat(left));
                break;
            }
            left -= name.len() + 1;
            lines += &format!("provides = {name}\n");
        }
        [pkginfo("longest", "", b""), lines.into_bytes()].concat()
    };
    let server = Server::start();
    let upload = |branch: &str, info: Vec<u8>| {
        let package = Package::new("hostile", "1.0-r0").pkginfo(info);
        let call = server.alpine("admin", branch).user(ADMIN);
        call.upload_bytes(&package.bytes())
    };
    upload("/v0/main", provides(too_long))
        .expect(400)
        .assert_plain_refusal();
    // A byte more in front moves the line by one in the buffer.
    for bytes in 0..8 {
        let branch = format!("v{bytes}/main");
        let first = pkginfo("first", "pkgdesc", &vec![b'd'; bytes]);
        upload(&format!("/{branch}"), first).expect(201);
        upload(&format!("/{branch}"), provides(longest)).expect(201);
        server.publish(&branch, &Package::new("last", "1.0-r0"));
        let url = server.repository(&branch);
        for line in [url.clone(), format!("v3 {url}")] {
            let apk = Apk::of(&server, &alpine, &line);
            let all = ["first-1.0-r0", "last-1.0-r0", "longest-1.0-r0"];
            assert_eq!(apk.search(&[]), all, "{line}");
            if bytes == 0 {
                apk.expect(&["add", "longest"]);
                // The second reads what the first wrote down.
                apk.expect(&["add", "last"]);
            }
        }
    }
}

#[test]
fn texts_about_hostile_values_are_short_and_printable() {
    found!(curl_or_leave_out());
    let server = Server::start();
    for value in [
        "\u{1b}[31mred",
        "a\u{202e}b\u{7}",
        &"x".repeat(70_000),
        "<script>alert(1)</script>\u{0}",
    ] {
        for key in ["pkgname", "pkgver", "arch", "depend"] {
            let package = Package::new("h", "1.0-r0").pkginfo(pkginfo("h", key, value.as_bytes()));
            let answer = server
                .upload("admin", "v1/main", &package.bytes())
                .expect(400);
            answer.assert_plain_refusal();
            assert!(
                answer.body.len() < 600,
                "{} bytes: {answer}",
                answer.body.len()
            );
            assert!(
                answer
                    .text()
                    .trim_end()
                    .chars()
                    .all(|c| !c.is_control() && c != '\u{202e}'),
                "{answer}"
            );
            assert_eq!(
                answer.require("x-content-type-options"),
                "nosniff",
                "{answer}"
            );
        }
    }
}
