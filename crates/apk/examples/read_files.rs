//! Reads packages and indexes, and says what they are: `cargo run -p apk --example read_files -- FILE…`
//!
//! One that is refused is named with the reason, and the others are read. The APKINDEX inside an index is written back beside it, as `FILE.text`, and must be the same byte for byte.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs, time::Instant};

use apk::{
    limits::Limits,
    package::{self, Package},
    v2::index,
};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut read, mut refused) = (0, 0);
    for path in std::env::args().skip(1) {
        let bytes = fs::read(&path)?;
        let start = Instant::now();
        let result = if path.ends_with(".tar.gz") {
            read_index(&path, &bytes)
        } else {
            read_package(&bytes)
        };
        match result {
            Ok(line) => {
                read += 1;
                println!("{path}: {line}, {:?}", start.elapsed());
            }
            Err(error) => {
                refused += 1;
                println!("{path}: refused: {error}");
            }
        }
    }
    println!("{read} read, {refused} refused");
    Ok(())
}

fn read_index(path: &str, bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let read = index::read_unverified(bytes, &Limits::default())?;
    fs::write(format!("{path}.text"), read.to_apkindex())?;
    let mut line = format!(
        "{:?}, {} records",
        read.summary.description.as_str(),
        read.summary.records
    );
    for signature in &read.summary.signatures {
        let (algorithm, key) = (signature.algorithm, &signature.key_name);
        line.push_str(&format!(", signed with {algorithm} by {key}"));
    }
    Ok(line)
}

fn read_package(bytes: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut reader = package::reader(bytes, &Limits::default());
    reader.push(bytes)?;
    let package = reader.finish()?;
    let entries = match &package {
        Package::V2(package) => package.data_entries,
        Package::V3(package) => package.entries,
    };
    let facts = package.facts();
    let mut line = format!(
        "{}-{} {} {}, {} bytes installed, {entries} entries, {} dependencies, {} scripts",
        facts.name,
        facts.version,
        facts.arch,
        package.hash(),
        facts.installed_size,
        facts.depends.len() + facts.provides.len(),
        facts.scripts.len()
    );
    for signature in package.signatures() {
        line.push_str(&format!(", signed by {}", signature.key));
    }
    Ok(line)
}
