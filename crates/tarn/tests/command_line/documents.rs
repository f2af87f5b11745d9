//! The command blocks of the documents: each is taken by `tarn`, run by a test that it names, or says that it is not run.
//!
//! A block that is neither has a line above it, which readers of the page don't see:
//!
//! ```text
//! <!-- run by NAME_OF_A_TEST -->
//! <!-- not run by a test -->
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::harness::Folder;

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

/// The commands of a block: lines that end in a backslash go on in the next, what follows ` #` is a comment.
fn commands(lines: &[&str]) -> Vec<String> {
    let mut commands = Vec::new();
    let mut begun = String::new();
    for line in lines {
        let line = line.split(" # ").next().unwrap().trim();
        begun.push_str(line.strip_suffix('\\').unwrap_or(line));
        if !line.ends_with('\\') && !begun.trim().is_empty() {
            commands.push(std::mem::take(&mut begun));
        }
    }
    commands
}

/// The words of a command as a shell has them, up to where its output goes. Nothing is filled in.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in command.chars() {
        match (quote, character) {
            (Some(end), character) if character == end => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '>') if word.is_none() => return words,
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Why `tarn` does not take a command, where it doesn't. It is run in a folder with nothing in it, so what it takes fails later.
fn refusal(folder: &Folder, command: &str) -> Option<String> {
    let all = words(command);
    let mut arguments: Vec<&str> = all.iter().map(String::as_str).collect();
    match arguments.first() {
        Some(&("tarn" | "target/release/tarn")) => arguments.remove(0),
        _ => return Some("it is no command of tarn".to_owned()),
    };
    // The settings are the same, and this ends.
    if arguments.first() == Some(&"serve") {
        arguments[0] = "check-config";
    }
    let said = folder.tarn(&arguments);
    let not_understood = said.exit == 2
        && (said.stderr.contains("--help") || said.stderr.contains("cannot be used"));
    not_understood.then_some(said.stderr)
}

#[test]
fn every_command_block_is_run_or_marked() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let code = code_below(&tests);
    let folder = Folder::empty();
    let mut wrong = Vec::new();
    let mut taken = 0;
    for (name, text) in documents() {
        for block in blocks(&name, &text) {
            if block.above == "<!-- not run by a test -->" {
                continue;
            }
            let named = block
                .above
                .strip_prefix("<!-- run by ")
                .and_then(|rest| rest.strip_suffix(" -->"));
            if let Some(test) = named {
                if !code.contains(&format!("fn {test}(")) {
                    wrong.push(format!("{}: there is no test {test}", block.place));
                }
                continue;
            }
            for command in commands(&block.lines) {
                taken += 1;
                if let Some(why) = refusal(&folder, &command) {
                    wrong.push(format!("{}: `{command}`: {why}", block.place));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "correct these, or write `<!-- run by TEST -->` or `<!-- not run by a test -->` above the block:\n{}",
        wrong.join("\n")
    );
    assert!(taken > 20, "only {taken} commands were found");
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

fn code_below(folder: &Path) -> String {
    let mut code = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            code.push_str(&code_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    code
}

#[test]
fn a_command_that_tarn_does_not_take_is_found() {
    let folder = Folder::empty();
    for command in [
        "tarn frobnicate",
        "tarn user add",
        "tarn quota show acme --nothing",
        "curl -fsS https://h/",
        "tarn serve --listen here",
    ] {
        assert!(refusal(&folder, command).is_some(), "{command}");
    }
    let lines = [
        "tarn org team add acme ci --role write \\",
        "  --limit 'v3.*/main' # the team",
        "tarn audit export > audit.jsonl",
    ];
    let commands = commands(&lines);
    assert_eq!(
        words(&commands[0])[6..],
        ["--role", "write", "--limit", "v3.*/main"]
    );
    assert_eq!(words(&commands[1]), ["tarn", "audit", "export"]);
    for command in &commands {
        assert_eq!(refusal(&folder, command), None, "{command}");
    }
}
