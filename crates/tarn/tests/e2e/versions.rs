//! Versions: what the real apk says of them, asked with generated ones, is what the product says.

use std::{cmp::Ordering, collections::BTreeSet, path::Path};

use apk::version::Version;

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, apk::bare, random::Random};

const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "2",
    "9",
    "10",
    "00",
    "01",
    "001",
    "010",
    "19",
    "20240101",
    "4294967296",
];

/// A version as people write them, and now and then as they should not.
fn version(random: &mut Random) -> String {
    let mut text = random.choose(&NUMBERS).to_owned();
    for _ in 0..random.below(4) {
        text.push('.');
        text.push_str(random.choose(&NUMBERS));
    }
    if random.below(4) == 0 {
        text.push(random.choose(&['a', 'b', 'z']));
    }
    for _ in 0..random.below(8) / 5 {
        text.push('_');
        text.push_str(random.choose(&SUFFIXES));
        if random.below(2) == 0 {
            text.push_str(random.choose(&NUMBERS));
        }
    }
    if random.below(6) == 0 {
        text.push('~');
        text.push_str(random.choose(&["a", "0", "abc123", "deadbeef", "00ff"]));
    }
    if random.below(2) == 0 {
        text.push_str("-r");
        text.push_str(random.choose(&NUMBERS));
    }
    text
}

/// One or two characters of `text` changed, added or taken away.
fn change(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let alphabet: Vec<char> = "0129abzpr._-~+ A:=<>".chars().collect();
    for _ in 0..=random.below(2) {
        let place = usize::try_from(random.below(characters.len() as u64 + 1)).unwrap();
        match random.below(3) {
            0 => characters.insert(place, random.choose(&alphabet)),
            1 if place < characters.len() => drop(characters.remove(place)),
            _ if place < characters.len() => characters[place] = random.choose(&alphabet),
            _ => {}
        }
    }
    characters.into_iter().collect()
}

/// Those of `versions` that the real apk calls invalid.
fn refused_by_apk(alpine: &Path, versions: &[String]) -> BTreeSet<String> {
    let mut refused = BTreeSet::new();
    for part in versions.chunks(500) {
        let mut arguments = vec!["version", "--check", "--"];
        arguments.extend(part.iter().map(String::as_str));
        refused.extend(bare(alpine, &arguments).output.lines().map(str::to_owned));
    }
    refused
}

#[test]
fn what_is_a_version_is_what_apk_says() {
    let alpine = found!(alpine_or_leave_out());
    let mut random = Random::new(1);
    let mut versions: Vec<String> = (0..2000).map(|_| version(&mut random)).collect();
    let changed: Vec<String> = versions
        .iter()
        .map(|text| change(text, &mut random))
        .collect();
    versions.extend(changed);
    versions.retain(|text| !text.is_empty());
    let refused = refused_by_apk(&alpine, &versions);
    assert!(
        refused.len() > 300,
        "too few broken ones: {}",
        refused.len()
    );
    let differing: Vec<&String> = versions
        .iter()
        .filter(|text| Version::parse(text).is_ok() == refused.contains(*text))
        .collect();
    assert!(
        differing.is_empty(),
        "{} differ: {differing:?}",
        differing.len()
    );
}

#[test]
fn the_order_of_versions_is_what_apk_says() {
    let alpine = found!(alpine_or_leave_out());
    let mut random = Random::new(2);
    let mut seen = [0; 3];
    let mut differing = Vec::new();
    while seen.iter().sum::<usize>() < 1200 {
        let left = version(&mut random);
        let right = match random.below(3) {
            0 => version(&mut random),
            _ => change(&left, &mut random),
        };
        let (Ok(a), Ok(b)) = (Version::parse(&left), Version::parse(&right)) else {
            continue;
        };
        let ours = match a.compare(&b) {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        };
        let theirs = bare(&alpine, &["version", "-t", &left, &right]).output;
        if theirs.trim_end() != ours {
            differing.push(format!("{left} {ours} {right}, apk: {}", theirs.trim_end()));
        }
        seen["<=>".find(ours).unwrap()] += 1;
    }
    assert!(
        differing.is_empty(),
        "{} differ: {differing:#?}",
        differing.len()
    );
    assert!(
        seen.iter().all(|count| *count > 30),
        "a poor mix of outcomes: {seen:?}"
    );
}

#[test]
fn versions_that_apk_cannot_order_disturb_no_index() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start_with("--versions lenient");
    let unordered = [
        "1.2.3-rc.1",
        "1.2.3+meta",
        "1.2.3~dev",
        "1.2.3-SNAPSHOT-x",
        "1.2.3_SNAPSHOT",
        "1.5.7-r1-r1",
        "latest",
        "92081f1-r0",
    ];
    let mut all = vec!["aaa-1.0-r0".to_owned(), "zzz-1.0-r0".to_owned()];
    server.publish("v1/main", &Package::new("aaa", "1.0-r0"));
    for (number, version) in unordered.into_iter().enumerate() {
        let package = Package::new(&format!("p{number}"), version);
        let answer = server.publish("v1/main", &package);
        assert!(answer.text().contains("apk can't order"), "{answer}");
        all.push(format!("p{number}-{version}"));
    }
    let answer = server.publish("v1/main", &Package::new("zzz", "1.0-r0"));
    assert_eq!(answer.text(), "");
    all.sort();
    // It is a version in a dependency that apk 3 complains about at every command.
    let provides = Package::new("nodm", "92081f1-r0").field("provides", "cmd:nodm=92081f1-r0");
    server
        .upload("admin", "v1/main", &provides.bytes())
        .expect(400);

    let url = server.repository("v1/main");
    for line in [url.clone(), format!("v3 {url}")] {
        let apk = Apk::of(&server, &alpine, &line);
        apk.expect(&["update"]);
        assert_eq!(apk.search(&[]), all, "{line}");
        apk.expect(&["policy", "aaa", "p0"]);
        apk.expect(&["list"]);
        let names = [
            "add", "aaa", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "zzz",
        ];
        apk.expect(&names);
        apk.expect(&["upgrade"]);
        apk.expect(&["upgrade", "--available"]);
        apk.expect(&["version", "-v"]);
        assert_eq!(apk.expect(&["info", "-v"]).lines().count(), all.len());
        apk.expect(&["fix", "p0"]);
        apk.expect(&["del", "p3"]);
    }
    server.publish("v1/main", &Package::new("p0", "1.2.4-r0"));
    let apk = Apk::of(&server, &alpine, &url);
    apk.expect(&["add", "p0"]);
    apk.must_have("usr/share/tarn/p0", "1.2.4-r0");
}
