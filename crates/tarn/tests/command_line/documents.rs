//! The command blocks of the documents: each is run here, run by a test that it names, or says that it is not run.
//!
//! One that is not run here has a line above it, which readers of the page don't see:
//!
//! ```text
//! <!-- run by NAME_OF_A_TEST -->
//! <!-- not run by a test -->
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use apk::sign::{KeyName, KeySize, SigningKey};
use apk_testkit::v2::PackageBuilder;
use regex::Regex;
use tarn_store::metadata::WebhookEvent;
use tarn_testkit::block_of;

use crate::{harness::Folder, inspect::signed_index};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every document, with its name.
fn documents() -> Vec<(String, String)> {
    let root = root();
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "fuzz/README.md",
        "packaging/README.md",
    ]
    .map(|name| root.join(name))
    .into();
    for folder in ["docs", "docs/reference"] {
        let docs = fs::read_dir(root.join(folder)).unwrap();
        let docs = docs.map(|entry| entry.unwrap().path());
        paths.extend(
            docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")),
        );
    }
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// A block of commands.
struct Block<'a> {
    /// The document and the line.
    place: String,
    /// The line above it.
    above: &'a str,
    lines: Vec<&'a str>,
}

fn blocks<'a>(name: &str, text: &'a str) -> Vec<Block<'a>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].trim_start().starts_with("```") {
            at += 1;
            continue;
        }
        let is_command = ["```sh", "```console", "```bash"].contains(&lines[at].trim());
        let end = (at + 1..lines.len())
            .find(|line| lines[*line].trim() == "```")
            .unwrap();
        if is_command {
            blocks.push(Block {
                place: format!("{name}:{}", at + 1),
                above: at.checked_sub(1).map_or("", |line| lines[line]).trim(),
                lines: lines[at + 1..end].to_vec(),
            });
        }
        at = end + 1;
    }
    blocks
}

/// A folder with a registry that has the users `alice` and `carol`, and what the documents name: packages, keys, certificates.
fn prepared() -> Folder {
    let folder = Folder::with_registry();
    for name in ["alice", "carol"] {
        folder.sh(&added(name));
    }
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    let rsa = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let name = KeyName::parse("any.rsa.pub").unwrap();
    fs::create_dir_all(folder.path("repo/x86_64")).unwrap();
    folder.write("repo/x86_64/hello-1.0-r0.apk", &package);
    folder.write(
        "repo/x86_64/APKINDEX.tar.gz",
        signed_index(&[&package], &name, &rsa),
    );
    folder.write(
        "you@example.org-5f3c.rsa",
        rsa.to_pkcs8_pem().unwrap().as_bytes(),
    );
    let curve = SigningKey::generate_p256().unwrap();
    folder.write("private-key.pem", curve.to_pkcs8_pem().unwrap().as_bytes());
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/certificates");
    for (from, to) in [
        ("first.pem", "cert.pem"),
        ("first.key.pem", "key.pem"),
        ("authority.pem", "corp-ca.pem"),
    ] {
        fs::copy(certificates.join(from), folder.path(to)).unwrap();
    }
    folder
}

fn added(name: &str) -> String {
    format!("echo correct-horse-42 | tarn user add {name} --password-stdin\n")
}

/// What has to be there before a block, besides what is prepared.
fn before(block: &str) -> String {
    let mut lines = String::new();
    if block.contains("bob") && !block.contains("user add bob") {
        lines.push_str(&added("bob"));
    }
    if block.contains("acme") && !block.contains("org add acme") {
        lines.push_str("tarn org add acme --owner alice\n");
    }
    if block.contains("tarn package") {
        for branch in ["edge", "v3.99typo"] {
            lines.push_str(&format!(
                "tarn import index repo --owner acme --branch {branch} --repository main --allow-untrusted\n"
            ));
        }
    }
    if block.contains("package restore") {
        lines.push_str("tarn package delete acme edge/main/x86_64/hello-1.0-r0.apk\n");
    }
    if block.contains("OLD_NAME") {
        lines.push_str("tarn key export alice >before.pub\ntarn key rotate alice\n");
    }
    lines
}

/// Runs a block in a copy of what is prepared, as it is written but for what a test can't have: the folders of a system, a terminal at
/// which a password is typed, and a server that doesn't end.
fn run(prepared: &Folder, block: &str) {
    let folder = Folder::empty();
    let lines = block
        .replace("target/release/tarn", "tarn")
        .replace("tarn serve", "tarn check-config")
        .replace("tarn user add bob\n", &added("bob"))
        .replace("/etc/tarn/", "./")
        .replace(
            "OLD_NAME",
            "\"$(tarn key list alice | tail -n 1 | cut -d ' ' -f 1)\"",
        );
    let copy = format!("cp -a {}/. .", prepared.path("").display());
    folder.sh(&format!("{copy}\n{}\n{lines}", before(block)));
}

/// The texts by which the tests in a file take blocks of a document: `block_of("DOCUMENT", "TEXT")`.
fn taken<'a>(code: &'a str, document: &str) -> Vec<&'a str> {
    let call = Regex::new(r#"block_of\(\s*"([^"]+)",\s*"([^"]+)",?\s*\)"#).unwrap();
    let calls = call.captures_iter(code).map(|found| found.extract::<2>().1);
    let of_document = calls.filter(|[of, _]| *of == document);
    of_document.map(|[_, text]| text).collect()
}

/// Why a test does not run a block of a document, where it doesn't.
fn not_run_by(
    test: &str,
    (document, block): (&str, &Block<'_>),
    code: &[String],
) -> Option<String> {
    let files: Vec<&String> = code
        .iter()
        .filter(|text| text.contains(&format!("fn {test}(")))
        .collect();
    if files.is_empty() {
        return Some(format!("there is no test {test}"));
    }
    let text = block.lines.join("\n");
    let mut texts = files.iter().flat_map(|file| taken(file, document));
    let takes_it =
        texts.any(|part| text.contains(part) && block_of(document, part).trim() == text.trim());
    (!takes_it).then(|| format!("{test} does not take it by `block_of`"))
}

#[test]
fn every_command_block_is_run_or_marked() {
    let code = code_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let prepared = prepared();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, text) in documents() {
        for block in blocks(&name, &text) {
            if block.above == "<!-- not run by a test -->" {
                continue;
            }
            let named = block
                .above
                .strip_prefix("<!-- run by ")
                .and_then(|rest| rest.strip_suffix(" -->"));
            match named {
                Some(test) => {
                    let why = not_run_by(test, (&name, &block), &code);
                    wrong.extend(why.map(|why| format!("{}: {why}", block.place)));
                }
                None => {
                    println!("{}", block.place);
                    run(&prepared, &format!("{}\n", block.lines.join("\n")));
                    count += 1;
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "correct these, or write `<!-- run by TEST -->` or `<!-- not run by a test -->` above the block:\n{}",
        wrong.join("\n")
    );
    assert!(count > 20, "only {count} blocks were run");
}

#[test]
fn every_block_says_what_it_is() {
    for (name, text) in documents() {
        let mut is_open = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with("```") {
                is_open = !is_open;
                assert!(
                    !is_open || line.trim() != "```",
                    "{name}:{number} opens a block without its language"
                );
            }
        }
    }
}

/// The lines of a document that are in no block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    })
}

/// The targets of a document's links that are no URLs.
fn links(text: &str) -> Vec<&str> {
    let ends = |line| str::split(line, "](").skip(1);
    let targets = prose(text)
        .flat_map(ends)
        .filter_map(|rest| rest.split_once(')'));
    let targets = targets.map(|(target, _)| target);
    targets.filter(|target| !target.contains("://")).collect()
}

/// The anchors of a document's headings, as forges make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, text) in documents() {
        for link in links(&text) {
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => root().join(&name),
                path => root().join(&name).parent().unwrap().join(path),
            };
            let found = match anchor {
                "" => target.exists(),
                anchor => fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&text).iter().any(|found| found == anchor)),
            };
            if !found {
                wrong.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "broken links:\n{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} links were found");
}

/// The text of each file of code in a folder and below it.
fn code_below(folder: &Path) -> Vec<String> {
    let mut code = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            code.extend(code_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push(fs::read_to_string(path).unwrap());
        }
    }
    code
}

#[test]
fn a_test_runs_the_blocks_that_it_takes_from_the_document() {
    let text = "```sh\ntarn serve\n```\n";
    let all = blocks("docs/tutorial.md", text);
    let of = |code: &str| {
        not_run_by(
            "it_is_so",
            ("docs/tutorial.md", &all[0]),
            &[code.to_owned()],
        )
    };
    for code in [
        "fn it_was_so() {}",
        "fn it_is_so() {}",
        "fn it_is_so() { block_of(\"README.md\", \"tarn serve\") }",
        // In that document it is another block.
        "fn it_is_so() { block_of(\"docs/tutorial.md\", \"tarn serve\") }",
    ] {
        assert!(of(code).is_some(), "{code}");
    }
    let tutorial = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let found = blocks("docs/tutorial.md", &tutorial);
    let own = found
        .iter()
        .find(|block| block.lines.contains(&"tarn serve"))
        .unwrap();
    let code =
        "fn it_is_so() {\n  block_of(\n \"docs/tutorial.md\",\n \"tarn serve\",\n) }".to_owned();
    assert_eq!(
        not_run_by("it_is_so", ("docs/tutorial.md", own), &[code]),
        None
    );
}

#[test]
fn what_is_written_about_webhooks_names_every_event() {
    let text = fs::read_to_string(root().join("docs/webhooks.md")).unwrap();
    for word in WebhookEvent::WORDS {
        assert!(text.contains(&format!("`{word}`")), "{word}");
    }
    // What says in one sentence when messages are sent.
    for file in [
        "README.md",
        "crates/tarn-http/templates/owner/webhooks.html",
        "crates/tarn/src/main.rs",
        "crates/tarn/src/webhook.rs",
        "docs/webhooks.md",
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let says = |line: &str| {
            line.contains("message") && WebhookEvent::WORDS.iter().all(|word| line.contains(word))
        };
        assert!(text.lines().any(says), "{file}");
    }
}
