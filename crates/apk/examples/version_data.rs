//! Checks the versions of this crate against apk-tools' own table.
//!
//! ```text
//! cargo run -p apk --example version_data -- apk-tools/test/unit/version.data
//! ```
//!
//! The table is `test/unit/version.data` of apk-tools (GPL-2.0-only, so it is not kept here). Each of its lines is
//! `version` (valid), `!version` (not valid), `a operator b` (holds) or `a !operator b` (does not hold); `#` starts
//! a comment. See `test/unit/version_test.c`.

use std::{
    env, fs,
    io::{self, Write as _},
    process::ExitCode,
};

use apk::{
    dependency::Operator,
    version::{Version, satisfies_as_written},
};

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let Some(path) = env::args_os().nth(1) else {
        writeln!(io::stderr(), "usage: version_data PATH-OF-VERSION.DATA")?;
        return Ok(ExitCode::from(2));
    };
    let (mut checked, mut wrong) = (0_u32, 0_u32);
    for (number, line) in (1_u32..).zip(fs::read_to_string(path)?.lines()) {
        let claim = line.split('#').next().unwrap_or_default().trim();
        if claim.is_empty() {
            continue;
        }
        checked += 1;
        if !holds(claim) {
            wrong += 1;
            writeln!(out, "line {number} does not hold: {claim}")?;
        }
    }
    writeln!(out, "{} of {checked} lines hold", checked - wrong)?;
    Ok(if wrong == 0 && checked > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether one line of the table is true. A line that is none is false.
fn holds(claim: &str) -> bool {
    let words: Vec<&str> = claim.split(' ').collect();
    match words.as_slice() {
        [version] => match version.strip_prefix('!') {
            Some(version) => Version::parse(version).is_err(),
            None => Version::parse(version).is_ok(),
        },
        [version, operator, other] => {
            let (wanted, operator) = match operator.strip_prefix('!') {
                Some(operator) => (false, operator),
                None => (true, *operator),
            };
            Operator::parse(operator)
                .is_some_and(|operator| satisfies_as_written(version, operator, other) == wanted)
        }
        _ => false,
    }
}
