//! Prints v3 packages as `apk adbdump --format json` does, one a line: `cargo run -p apk --example dump_v3_packages -- FILE…`

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs};

use apk::{limits::Limits, v3::package::PackageReader};

#[path = "../tests/v3_package/dump.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod dump;

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let mut reader = PackageReader::new(Limits::default());
        reader.push(&fs::read(&path)?)?;
        println!("{}", dump::package(&reader.finish()?));
    }
    Ok(())
}
