//! On what, and with what, was measured.

use std::{fs, path::Path, process::Command};

use crate::{
    Result,
    tools::{Apk, output_of, search_path},
};

/// The machine and the versions of all programs, as a list in Markdown.
pub(crate) fn describe(tarn: &Path) -> Result<String> {
    let processor = field("/proc/cpuinfo", "model name")?;
    let cores = std::thread::available_parallelism()?;
    let memory: u64 = field("/proc/meminfo", "MemTotal")?
        .trim_end_matches(" kB")
        .parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let version = |program: &str, argument: &str| -> String {
        let mut command = Command::new(program);
        command.env("PATH", search_path()).arg(argument);
        // Some write it to stderr, and wrk ends with 1 after it.
        let output = command.output().ok();
        let text = output.map(|output| [output.stdout, output.stderr].concat());
        let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
        let first = text.and_then(|text| text.lines().next().map(str::to_owned));
        first.unwrap_or_else(|| format!("{program}: not there"))
    };
    let apk = Apk::find()
        .and_then(|apk| output_of(apk.command().arg("--version")))
        .unwrap_or_else(|_| "apk: not there".to_owned());
    let commit = output_of(Command::new("git").args([
        "-C",
        env!("CARGO_MANIFEST_DIR"),
        "describe",
        "--always",
        "--dirty",
    ]))
    .unwrap_or_else(|_| "unknown".to_owned());
    let wrk = version("wrk", "--version");
    let wrk = wrk.split(" Copyright").next().unwrap_or_default();
    Ok(format!(
        "- {processor}, {cores} cores, {} GB of memory, Linux {}\n\
         - {} of commit {}; {}\n\
         - {}; {}; {wrk}\n\
         - {}",
        memory.div_ceil(1_000_000),
        kernel.trim(),
        version(&tarn.to_string_lossy(), "--version"),
        commit.trim(),
        version("rustc", "--version"),
        apk.trim(),
        version("nginx", "-v"),
        load()?,
    ))
}

/// How busy the machine is.
pub(crate) fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    let minutes: Vec<&str> = load.split(' ').take(3).collect();
    Ok(format!(
        "load averages of the machine (1, 5, 15 minutes): {}",
        minutes.join(", ")
    ))
}

/// The value of the first line `name : value`.
fn field(file: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    Ok(value
        .map_or("unknown", |(_, value)| value.trim())
        .to_owned())
}
