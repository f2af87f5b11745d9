//! What neither Cargo nor a lint can hold of the rules in ARCHITECTURE.md and CONTRIBUTING.md.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

struct Source {
    /// From the root of the workspace, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// The lines of code, comments left out, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every Rust file under `folder`.
fn sources(folder: &str) -> Vec<Source> {
    files(folder, "rs")
}

/// Every file under `folder` whose name has that end.
fn files(folder: &str, end: &str) -> Vec<Source> {
    fn walk(root: &Path, folder: &Path, end: &str, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, end, found);
            } else if path.extension().is_some_and(|extension| extension == end) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source {
                    path: path
                        .strip_prefix(root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                    text,
                });
            }
        }
    }
    let root = workspace();
    let mut found = Vec::new();
    walk(&root, &root.join(folder), end, &mut found);
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// No file under `folder` has one of `words` in a line of code, except those whose path begins with one of `allowed`.
fn wall(folder: &str, words: &[&str], allowed: &[&str]) {
    let mut broken = Vec::new();
    for source in sources(folder) {
        if allowed.iter().any(|prefix| source.path.starts_with(prefix)) {
            continue;
        }
        for (number, line) in source.code() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{number} names `{word}`", source.path));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "a wall of ARCHITECTURE.md is broken:\n{}",
        broken.join("\n")
    );
}

#[test]
fn apk_does_no_input_or_output() {
    let words = [
        "std::fs",
        "std::net",
        "std::time",
        "std::thread",
        "std::process",
        "std::env",
        "tokio",
        "rusqlite",
        "async fn",
    ];
    wall("crates/apk/src", &words, &[]);
}

#[test]
fn time_is_passed_in() {
    wall(
        "crates",
        &["SystemTime::now", "OffsetDateTime::now"],
        &[
            "crates/tarn-base/src/clock.rs",
            "crates/tarn-core/tests/",
            "crates/tarn-http/tests/",
            "crates/tarn-store/tests/",
            "crates/tarn/tests/",
        ],
    );
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    wall(
        "crates",
        &["#[allow(", "#![allow("],
        &["crates/tarn/tests/tidy.rs"],
    );
}

#[test]
fn files_say_what_they_are_and_stay_readable() {
    let mut broken = Vec::new();
    for source in sources("crates") {
        if !source.text.starts_with("//!") {
            broken.push(format!("{} has no `//!` on its first line", source.path));
        }
        let lines = source.text.lines().count();
        if lines > 500 {
            broken.push(format!(
                "{} has {lines} lines; 500 is the most",
                source.path
            ));
        }
        let file = source.path.rsplit('/').next().unwrap();
        if ["utils.rs", "helpers.rs", "common.rs", "misc.rs", "util.rs"].contains(&file) {
            broken.push(format!("{} has a name that says nothing", source.path));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A page's form and its handler agree on the names of fields by text alone.
#[test]
fn every_field_of_a_form_is_read_and_every_field_that_is_read_is_in_a_form() {
    // Tabs, which nothing reads, and what a phone reads of a page.
    const NO_FIELDS: [&str; 3] = ["publish", "use", "viewport"];
    let names = |text: &str, before: &str| -> BTreeSet<String> {
        let found = text.split(before).skip(1);
        found
            .filter_map(|rest| rest.split_once('"'))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let joined = |files: Vec<Source>| -> String {
        let lines = files.iter().flat_map(|file| file.text.lines());
        lines.map(str::trim).collect()
    };
    let handlers = sources("crates/tarn-http/src/web");
    // Fields of the structs that queries are read into.
    let queried: BTreeSet<String> = handlers
        .iter()
        .flat_map(Source::code)
        .filter_map(|(_, line)| line.trim().strip_suffix(": String,"))
        .map(|name| name.trim_start_matches("pub(super) ").to_owned())
        .collect();
    let handlers = joined(handlers);
    let ways = [
        ".text", ".parsed", ".raw", ".secret", ".all", ".has", ".number", " size",
    ];
    let read: BTreeSet<String> = ways
        .iter()
        .flat_map(|way| names(&handlers, &format!("{way}(\"")))
        .collect();
    let mut fields = names(
        &joined(files("crates/tarn-http/templates", "html")),
        " name=\"",
    );
    fields.retain(|name| !NO_FIELDS.contains(&name.as_str()));
    let without_field: Vec<_> = read.difference(&fields).collect();
    let unread: Vec<_> = fields
        .iter()
        .filter(|name| !read.contains(*name) && !queried.contains(*name))
        .collect();
    assert!(
        without_field.is_empty() && unread.is_empty(),
        "handlers in web/ read {without_field:?}, which no template has; templates have {unread:?}, which no handler reads"
    );
}

#[test]
fn every_threat_has_a_test_that_is_there() {
    let root = workspace();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let code: String = sources("crates")
        .into_iter()
        .map(|source| source.text)
        .collect();
    let mut broken = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let quoted: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let names = quoted
            .iter()
            .filter(|name| name.contains('_') && name.chars().all(word));
        let paths = quoted.iter().filter(|path| path.starts_with("crates/"));
        let (mut named, mut missing) = (line.contains("see [") || line.contains("---"), Vec::new());
        for name in names {
            named = true;
            if !is_test(&code, name) {
                missing.push(*name);
            }
        }
        for path in paths {
            named = true;
            if !root.join(path).exists() {
                missing.push(*path);
            }
        }
        let heading = line.starts_with("| who |") || line.starts_with("| threat |");
        if !missing.is_empty() || !(named || heading) {
            broken.push(format!("{missing:?} in: {line}"));
        }
    }
    assert!(
        broken.is_empty(),
        "threats without a test that is there:\n{}",
        broken.join("\n")
    );
}

/// The lines of CONTRIBUTING.md about changes name files, and behind a file what stands in it: each is there.
#[test]
fn every_place_that_a_change_is_said_to_need_is_there() {
    let root = workspace();
    let text = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let (mut places, mut missing) = (0, Vec::new());
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let mut file = String::new();
        for place in line.split('`').skip(1).step_by(2) {
            places += 1;
            let is_there = if place.contains('/') || place.ends_with(".md") {
                let path = root.join(place);
                // A folder has no text.
                file = fs::read_to_string(&path).unwrap_or_default();
                path.exists()
            } else {
                has_word(&file, place)
            };
            if !is_there {
                missing.push(format!("`{place}` in: {line}"));
            }
        }
    }
    assert!(
        places > 60 && missing.is_empty(),
        "what is not there, or not in the file before it:\n{}",
        missing.join("\n")
    );
}

/// Whether a text has that word, and not only as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = text.match_indices(word);
    found.any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        !before.ends_with(inside)
            && rest
                .strip_prefix(word)
                .is_some_and(|after| !after.starts_with(inside))
    })
}

/// Whether a test has that name.
fn is_test(code: &str, name: &str) -> bool {
    let wanted = format!("fn {name}(");
    let mut marked = false;
    code.lines().map(str::trim_start).any(|line| {
        let found = marked && line.contains(&wanted);
        marked = line.starts_with("#[") && (marked || line.contains("test"));
        found
    })
}

#[test]
fn the_product_depends_on_no_testkit() {
    let crates = fs::read_dir(workspace().join("crates")).unwrap();
    for folder in crates.map(|entry| entry.unwrap().path()) {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let sections = manifest.split("\n[");
        let of_product = sections.filter(|section| !section.contains("dev-dependencies]"));
        let mut lines = of_product
            .flat_map(str::lines)
            .filter(|line| !line.starts_with("name"));
        assert!(
            !lines.any(|line| line.contains("testkit")),
            "{} has a testkit among its dependencies",
            folder.display()
        );
    }
}
