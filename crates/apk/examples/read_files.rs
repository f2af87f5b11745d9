//! Reads packages and indexes, and says what they are: `cargo run -p apk --example read_files -- FILE…`
//!
//! The APKINDEX inside an index is written back beside it, as `FILE.text`, and must be the same byte for byte.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs, time::Instant};

use apk::{
    limits::Limits,
    v2::{index, package::PackageReader},
};

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let bytes = fs::read(&path)?;
        let start = Instant::now();
        if path.ends_with(".tar.gz") {
            let read = index::read_unverified(&bytes, &Limits::default())?;
            let taken = start.elapsed();
            println!(
                "{path}: {:?}, {} records, {taken:?}",
                read.summary.description.as_str(),
                read.summary.records
            );
            for signature in &read.summary.signatures {
                println!(
                    "  signed with {} by {}",
                    signature.algorithm, signature.key_name
                );
            }
            fs::write(format!("{path}.text"), read.to_apkindex())?;
        } else {
            let mut reader = PackageReader::new(Limits::default());
            reader.push(&bytes)?;
            let package = reader.finish()?;
            println!(
                "{path}: {}-{} {} {}, {} entries, {:?}",
                package.info.name,
                package.info.version,
                package.info.arch,
                package.identity,
                package.data_entries,
                start.elapsed()
            );
        }
    }
    Ok(())
}
