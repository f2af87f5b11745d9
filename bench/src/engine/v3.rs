//! `Packages.adb`, the index of v3: adding and removing one package, against a signature and against `apk mkndx`, and its size.
//!
//! `apk mkndx --index OLD` reads the old index, takes from it what has a file of the same name and size that is not newer, and
//! reads the other files (apk-tools `src/app_mkndx.c`, `mkndx_main`). It has no way to be given the new file alone. It signs
//! with the same key by itself.

use std::{fs, path::Path};

use apk::{
    limits::Limits,
    v3::{container, index::read_unverified},
};
use tarn_core::index::{Segments, v3::Base};
use tarn_store::metadata::{IndexChanges, IndexedPackage};

use super::{
    SIGNATURE, grouped,
    incumbent::{Folder, added, apk_cpu, newcomer},
    joined, listed,
    setup::Signer,
};
use crate::{
    Effort, Failure, Result,
    content::same_bytes,
    corpus::{self, Entry},
    measure::{Samples, Seconds, cpu_seconds, mean},
    report::Row,
    tools::{Apk, zlib_9},
};

/// How many packages the index has that apk makes as well.
const SIZE: usize = 30_000;

/// Rows of the indexes that one package is added to, and how many signatures that may cost.
const SIZES: [(usize, f64); 2] = [(SIZE, 1.5), (100_000, 2.0)];

/// The rows of `Packages.adb`.
pub(super) fn rows(
    signer: &Signer,
    entries: &[Entry],
    folder: &Path,
    effort: Effort,
) -> Result<Vec<Row>> {
    let new = entries.len() - effort.rounds * effort.appends;
    let mut rows = Vec::new();
    for (size, goal) in SIZES {
        if let (Some(old), Some(new)) = (entries.get(..size), entries.get(new.max(size)..)) {
            rows.extend(against_signature(signer, old, new, effort, goal)?);
        }
    }
    let old = entries.get(..SIZE).ok_or("the corpus is too small")?;
    rows.extend(against_mkndx(signer, old, folder, effort)?);
    Ok(rows)
}

/// Adding one package after the other, and what the index has become then.
fn against_signature(
    signer: &Signer,
    old: &[Entry],
    new: &[Entry],
    effort: Effort,
    goal: f64,
) -> Result<[Row; 2]> {
    let mut packages = listed(old)?;
    let (mut base, mut segments, _) = signer.first_v3(&packages)?;
    let (mut appends, mut signatures) = (Samples::default(), Samples::default());
    for entries in new.chunks(effort.appends) {
        signatures.push(signer.signature_cpu(effort.appends)?);
        appends.push(mean(entries, |entry| {
            let live = packages.len() + 1;
            packages.push(entry.indexed(i64::try_from(live)?)?);
            let added = packages.last().cloned().into_iter().collect();
            let (made, cpu) = change(signer, &base, Vec::new(), added, live)?;
            (base, segments) = made;
            Ok(cpu)
        })?);
    }
    // What was made step by step is, byte for byte, what is made at once.
    let (_, cold, _) = signer.first_v3(&packages)?;
    let index = joined(&segments);
    same_bytes("Packages.adb", &index, &joined(&cold))?;
    let once = zlib_9(&container::unpack(&index, 1 << 30)?)?;
    let (before, after) = (grouped(old.len()), grouped(packages.len()));
    Ok([
        Row::new(
            format!("add one package to {before} in `Packages.adb`"),
            SIGNATURE,
            (&appends, &signatures),
            Seconds,
        )
        .at_most(goal),
        Row::of_bytes(
            format!("bytes of `Packages.adb` of {after}"),
            "one `zlib -9` run over the same payload",
            (index.len() as u64, once),
        )
        .at_most(1.05),
    ])
}

/// Adding and removing one package, and how large the index is.
fn against_mkndx(
    signer: &Signer,
    old: &[Entry],
    folder: &Path,
    effort: Effort,
) -> Result<[Row; 3]> {
    let apk = Apk::find()?;
    let (base, segments, _) = signer.first_v3(&listed(old)?)?;
    let newcomer = newcomer();
    let package = newcomer.package(20_000);
    let before = joined(&segments);
    let files = Folder::make(folder, old, &newcomer, &package, ("OLD.adb", &before))?;
    signer.write_key(&files.path.join("key.rsa"))?;
    let added = added(&package, old.len())?;
    // Of the files that have their place in OLD.adb, one that is gone. It may be anywhere.
    let gone = corpus::Random::new(5).below(old.len());
    let mut without = files.all.get(..old.len()).unwrap_or_default().to_vec();
    without.remove(gone);
    let gone = i64::try_from(gone)? + 1;
    let mkndx = |files_there: &[String], new: usize| {
        let mut command = apk.command();
        command
            .current_dir(&files.path)
            .args(["mkndx", "--root"])
            .arg(files.path.join("root"))
            .args(["--allow-untrusted", "--sign-key", "key.rsa"])
            .args(["--index", "OLD.adb", "--output", "NEW.adb"])
            .args(files_there);
        let cpu = apk_cpu(&mut command, new)?;
        Ok::<_, Failure>((fs::read(files.path.join("NEW.adb"))?, cpu))
    };

    let (mut adds, mut removals) = (Pair::default(), Pair::default());
    let mut sizes = (0, 0);
    for _ in 0..effort.slow_rounds() {
        let (theirs, cpu) = mkndx(&files.all, 1)?;
        adds.theirs.push(cpu);
        let again = || change(signer, &base, Vec::new(), added.to_vec(), old.len() + 1);
        let own = adds.push_ours(effort.appends, again)?;
        same_packages(&own, &theirs)?;
        sizes = (own.len() as u64, theirs.len());

        let (theirs, cpu) = mkndx(&without, 0)?;
        removals.theirs.push(cpu);
        let again = || change(signer, &base, vec![gone], Vec::new(), old.len() - 1);
        let own = removals.push_ours(effort.appends / 4, again)?;
        same_packages(&own, &theirs)?;
    }
    fs::remove_dir_all(&files.path)?;
    let (before, after) = (grouped(old.len()), grouped(old.len() + 1));
    Ok([
        Row::new(
            format!("`apk mkndx --index OLD *.apk`, one package new among {before}, signed"),
            "adding the same package to `Packages.adb` here",
            (&adds.theirs, &adds.ours),
            Seconds,
        )
        .at_least(100.0),
        Row::new(
            format!("`apk mkndx --index OLD *.apk`, one package gone of {before}, signed"),
            "removing the same package from `Packages.adb` here",
            (&removals.theirs, &removals.ours),
            Seconds,
        )
        .at_least(10.0),
        Row::of_bytes(
            format!("bytes of `Packages.adb` of {after}"),
            "the file of `apk mkndx` of the same packages",
            sizes,
        )
        .at_most(1.15),
    ])
}

/// CPU seconds of the same change, by apk and here.
#[derive(Default)]
struct Pair {
    theirs: Samples,
    ours: Samples,
}

impl Pair {
    /// Makes a change so many times, takes the mean, and gives the index.
    fn push_ours(
        &mut self,
        times: usize,
        change: impl Fn() -> Result<((Base, Segments), f64)>,
    ) -> Result<Vec<u8>> {
        let mut index = Vec::new();
        self.ours.push(mean(0..times, |_| {
            let ((_, segments), cpu) = change()?;
            index = joined(&segments);
            Ok(cpu)
        })?);
        Ok(index)
    }
}

/// The index after a change, and the CPU seconds that it took.
fn change(
    signer: &Signer,
    before: &Base,
    removed: Vec<i64>,
    added: Vec<IndexedPackage>,
    live: usize,
) -> Result<((Base, Segments), f64)> {
    let changes = IndexChanges { removed, added };
    let ((base, segments, _), cpu) = cpu_seconds(|| signer.next_v3(before, changes, live))?;
    Ok(((base, segments), cpu))
}

/// Whether two indexes list the same packages. The reader takes only sorted ones, so they come in one order.
fn same_packages(one: &[u8], other: &[u8]) -> Result<()> {
    let read = |index: &[u8]| read_unverified(index, &Limits::default());
    let (one, other) = (read(one)?.packages, read(other)?.packages);
    let pairs = one.iter().zip(&other);
    match pairs.clone().find(|(one, other)| one != other) {
        None if one.len() == other.len() => Ok(()),
        None => Err(format!(
            "no ratio for apk mkndx: one side has {} packages, the other {}",
            one.len(),
            other.len()
        )
        .into()),
        Some((one, other)) => Err(format!(
            "no ratio for apk mkndx: the sides differ, for example in\n{one:?}\n{other:?}"
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{corpus, tools::WorkFolder};

    #[test]
    fn indexes_of_other_packages_are_distinguished() {
        let folder = WorkFolder::new("engine-v3-test").unwrap();
        let signer = Signer::make(folder.path()).unwrap();
        let packages = listed(&corpus::entries(60, 1)).unwrap();
        let index = |packages: &[IndexedPackage]| joined(&signer.first_v3(packages).unwrap().1);
        let (all, fewer) = (index(&packages), index(&packages[..59]));
        same_packages(&all, &all).unwrap();
        assert!(same_packages(&all, &fewer).is_err());
        assert!(same_packages(&fewer, &index(&packages[1..])).is_err());

        let (base, ..) = signer.first_v3(&packages[..59]).unwrap();
        let last = vec![packages[59].clone()];
        let ((_, segments), _) = change(&signer, &base, Vec::new(), last, 60).unwrap();
        same_packages(&all, &joined(&segments)).unwrap();
    }
}
