//! Measures Tarn, as ratios to what people use instead.
//!
//! ```text
//! bench [--quick] [--write DOCUMENT] [--tarn BINARY] [NAME…]
//! ```
//!
//! Every ratio is between two things that were measured in one run, in turns, and no ratio is printed when what the two
//! made is not the same.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is its purpose"
)]

mod access;
mod content;
mod corpus;
mod database;
mod download;
mod engine;
mod http;
mod install;
mod machine;
mod measure;
mod memory;
mod proxy;
mod publish;
mod report;
mod servers;
mod signature;
mod tools;
mod upload;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use report::Table;

/// That of the server: what is measured in this process has it there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that makes a benchmark worthless.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failure>;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Fewer and smaller, to see that all works; the numbers say little.
    quick: bool,
    /// Rounds, of which the median is taken.
    rounds: usize,
    /// Packages added one by one in a round.
    appends: usize,
}

impl Effort {
    const WHOLE: Self = Self {
        quick: false,
        rounds: 9,
        appends: 64,
    };
    const QUICK: Self = Self {
        quick: true,
        rounds: 3,
        appends: 16,
    };

    /// Rounds of what takes seconds.
    fn slow_rounds(self) -> usize {
        if self.quick { 2 } else { 5 }
    }
}

/// What was asked for.
struct Arguments {
    effort: Effort,
    write: Option<PathBuf>,
    tarn: PathBuf,
    chosen: Vec<(&'static str, Benchmark)>,
}

/// Measures one thing. Some run the binary.
type Benchmark = fn(Effort, &Path) -> Result<Table>;

const BENCHMARKS: [(&str, Benchmark); 8] = [
    ("engine", |effort, _| engine::run(effort)),
    ("access", |effort, _| access::run(effort)),
    ("database", |effort, _| database::run(effort)),
    ("publish", publish::run),
    ("memory", memory::run),
    ("download", download::run),
    ("upload", upload::run),
    ("install", install::run),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = arguments(env::args().skip(1))?;
    let machine = machine::describe(&arguments.tarn)?;
    println!("{machine}");
    let mut tables = Vec::new();
    for (name, benchmark) in arguments.chosen {
        eprintln!("measuring: {name}");
        let table = benchmark(arguments.effort, &arguments.tarn)?;
        println!("## {}\n\n{}", table.name, table.to_markdown());
        tables.push(table);
    }
    println!("{}", machine::load()?);
    if let Some(document) = &arguments.write {
        report::replace_section(document, "machine", &machine)?;
        for table in &tables {
            report::replace_section(document, table.name, &table.to_markdown())?;
        }
    }
    Ok(())
}

fn arguments(given: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments {
        effort: Effort::WHOLE,
        write: None,
        tarn: Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/tarn"),
        chosen: Vec::new(),
    };
    let mut given = given.peekable();
    while let Some(argument) = given.next() {
        let mut value = || {
            let value = given.next().map(PathBuf::from);
            value.ok_or_else(|| format!("{argument} wants a value"))
        };
        match argument.as_str() {
            "--quick" => arguments.effort = Effort::QUICK,
            "--write" => arguments.write = Some(value()?),
            "--tarn" => arguments.tarn = value()?,
            name => {
                let known = BENCHMARKS.iter().find(|(known, _)| *known == name);
                let names = || BENCHMARKS.map(|(name, _)| name).join(", ");
                let unknown =
                    || format!("{name} is not a benchmark; the benchmarks are {}", names());
                arguments.chosen.push(*known.ok_or_else(unknown)?);
            }
        }
    }
    if arguments.chosen.is_empty() {
        arguments.chosen = BENCHMARKS.to_vec();
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_all_are_measured() {
        let parse = |texts: &[&str]| arguments(texts.iter().map(|text| (*text).to_owned()));
        assert_eq!(parse(&[]).unwrap().chosen.len(), BENCHMARKS.len());
        let chosen = parse(&["--quick", "upload"]).unwrap();
        assert!(chosen.effort.quick);
        let names: Vec<&str> = chosen.chosen.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["upload"]);
        assert!(parse(&["nothing"]).is_err());
        assert!(parse(&["--write"]).is_err());
    }
}
