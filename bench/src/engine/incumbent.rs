//! `apk index -x`, which is how a static repository gets a new package into its index.
//!
//! It reads the old index, and every package file that is new. There are two ways to call it: with all files, of which
//! it looks at the size and the date and skips those it knows (`apk-tools` `src/app_index.c`, `index_main`); or with
//! `--merge` and the new file alone, which apk 3 has. The second does less, so the goal is held against it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use apk::{digest::PackageHash, limits::Limits, v2::package::PackageReader};
use tarn_store::metadata::{IndexedPackage, StoredFacts};

use super::{Growing, grouped, joined, listed, setup::Signer};
use crate::{
    Effort, Result,
    content::{records, same_records},
    corpus::{self, Entry},
    measure::{Samples, Seconds, cpu_of, cpu_seconds},
    report::{Goal, Row},
    tools::Apk,
};

/// The largest index that the incumbent is tried on.
const MOST: usize = 30_000;

/// A folder of packages as a static repository has it. The old files have the right size and no content: apk index looks at no more.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    new: String,
    pub(super) all: Vec<String>,
}

/// One row for each size and each way to call the incumbent.
pub(super) fn rows(
    signer: &Signer,
    entries: &[Entry],
    indexes: &[Growing],
    folder: &Path,
    effort: Effort,
) -> Result<Vec<Row>> {
    let apk = Apk::find()?;
    let mut rows = Vec::new();
    for index in indexes.iter().filter(|index| index.size <= MOST) {
        let entries = entries.get(..index.size).ok_or("the corpus is too small")?;
        rows.extend(compare(signer, &apk, entries, folder, effort)?);
    }
    Ok(rows)
}

fn compare(
    signer: &Signer,
    apk: &Apk,
    entries: &[Entry],
    folder: &Path,
    effort: Effort,
) -> Result<Vec<Row>> {
    let base = Growing::make(signer, &listed(entries)?)?;
    let newcomer = newcomer();
    let package = newcomer.package(20_000);
    let files = Folder::make(
        folder,
        entries,
        &newcomer,
        &package,
        ("OLD.tar.gz", &joined(&base.segments)),
    )?;
    let added = added(&package, entries.len())?;

    let (mut ours, mut by_files, mut by_merge) =
        (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..effort.slow_rounds() {
        let (theirs, cpu) = files.index(apk, signer, false)?;
        by_files.push(cpu);
        let (segments, cpu) = signer.repeated(&base.state, &added, entries.len() + 1)?;
        ours.push(cpu);
        let (merged, cpu) = files.index(apk, signer, true)?;
        by_merge.push(cpu);

        let own: BTreeSet<String> = records(&joined(&segments))?;
        same_records("apk index -x", &records(&theirs)?, &own)?;
        same_records("apk index --merge -x", &records(&merged)?, &own)?;
    }
    fs::remove_dir_all(&files.path)?;

    let size = grouped(entries.len());
    let row = |command: &str, theirs: &Samples, goal| {
        let what = format!("{command}, one package new among {size}, and one signature");
        Row::new(
            what,
            "adding the same package here",
            (theirs, &ours),
            Seconds,
        )
        .goal(goal)
    };
    let goal = if entries.len() == MOST {
        Goal::AtLeast(150.0)
    } else {
        Goal::None
    };
    Ok(vec![
        row("`apk index -x OLD *.apk`", &by_files, Goal::None),
        row("`apk index --merge -x OLD NEW.apk`", &by_merge, goal),
    ])
}

/// A package whose name no other has.
pub(super) fn newcomer() -> Entry {
    let mut entries = corpus::entries(40, 99);
    let mut newcomer = entries.swap_remove(7);
    newcomer.name = format!("{}-new-today", newcomer.name);
    newcomer
}

/// The row that the database would give for this package.
pub(super) fn added(package: &[u8], before: usize) -> Result<[IndexedPackage; 1]> {
    let mut reader = PackageReader::new(Limits::default());
    reader.push(package)?;
    let read = reader.finish()?;
    Ok([IndexedPackage {
        sequence: i64::try_from(before)? + 1,
        facts: StoredFacts::of(&read.facts),
        identity: PackageHash::Identity(read.identity),
        size: read.size,
    }])
}

impl Folder {
    pub(super) fn make(
        parent: &Path,
        old: &[Entry],
        newcomer: &Entry,
        package: &[u8],
        (name, index): (&str, &[u8]),
    ) -> Result<Self> {
        let path = parent.join(format!("static-{}", old.len()));
        fs::create_dir_all(path.join("root"))?;
        let mut all = Vec::with_capacity(old.len() + 1);
        for entry in old {
            let name = entry.file_name();
            File::create(path.join(&name))?.set_len(entry.size)?;
            all.push(name);
        }
        let new = newcomer.file_name();
        fs::write(path.join(&new), package)?;
        all.push(new.clone());
        // Last: apk trusts it about files that are not newer.
        fs::write(path.join(name), index)?;
        Ok(Self { path, new, all })
    }

    /// Calls apk and signs what it wrote. Gives the signed index and the CPU seconds of both.
    fn index(&self, apk: &Apk, signer: &Signer, merge: bool) -> Result<(Vec<u8>, f64)> {
        let mut command = apk.command();
        command
            .current_dir(&self.path)
            .args(["index", "--root"])
            .arg(self.path.join("root"))
            .args(["--arch", corpus::ARCH, "--allow-untrusted", "--no-warnings"])
            .args(["-x", "OLD.tar.gz", "-o", "NEW.tar.gz"]);
        if merge {
            command.arg("--merge").arg(&self.new);
        } else {
            command.args(&self.all);
        }
        let apk_cpu = apk_cpu(&mut command, 1)?;
        let unsigned = fs::read(self.path.join("NEW.tar.gz"))?;
        let (signed, sign_cpu) = cpu_seconds(|| signer.sign(&unsigned))?;
        Ok((signed, apk_cpu + sign_cpu))
    }
}

/// The CPU seconds of a command of apk that makes an index, in which so many packages have to be new.
pub(super) fn apk_cpu(command: &mut Command, new: usize) -> Result<f64> {
    let (output, cpu) = cpu_of(command)?;
    if output.contains(&format!("(of which {new} are new)")) {
        return Ok(cpu);
    }
    Err(format!("apk took more or fewer than {new} as new: {output}").into())
}
