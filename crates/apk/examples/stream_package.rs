//! Makes a package of a given size and reads it at the same time, neither held in memory:
//! `cargo run -p apk --release --example stream_package -- BYTES`

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs, time::Instant};

use apk::{limits::Limits, v2::package::PackageReader};
use apk_testkit::v2::PackageBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let size: u64 = std::env::args()
        .nth(1)
        .ok_or("usage: stream_package BYTES")?
        .parse()?;
    let builder = PackageBuilder::new("large", "1.0-r0")
        .random_file("usr/share/large", size)
        .level(0);
    let mut reader = PackageReader::new(Limits::default());
    let mut time = std::time::Duration::ZERO;
    builder.write_to(&mut |bytes| {
        let start = Instant::now();
        let result = reader.push(bytes);
        time += start.elapsed();
        result
    })?;
    let package = reader.finish()?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or("VmHWM unknown");
    println!("{} bytes read in {time:?}; {peak}", package.size);
    Ok(())
}
