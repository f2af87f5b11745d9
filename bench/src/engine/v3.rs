//! `Packages.adb`, the index of v3: adding one package, against a signature and against `apk mkndx`.
//!
//! `apk mkndx --index OLD` reads the old index, takes from it what has a file of the same name and size that is not newer, and
//! reads the other files (apk-tools `src/app_mkndx.c`, `mkndx_main`). It has no way to be given the new file alone. It signs
//! with the same key by itself.

use std::{fs, path::Path};

use apk::{limits::Limits, v3::index::read_unverified};
use tarn_core::index::{Segments, v3::Base};
use tarn_store::metadata::{IndexChanges, IndexedPackage};

use super::{
    SIGNATURE, grouped,
    incumbent::{Folder, added, cpu_of, newcomer},
    joined, listed,
    setup::Signer,
    sides,
};
use crate::{
    Effort, Result,
    content::same_bytes,
    corpus::Entry,
    measure::{Samples, cpu_seconds},
    report::{Goal, Row},
    tools::Apk,
};

/// How many packages the index has before.
const SIZE: usize = 30_000;

/// One row for each of the two.
pub(super) fn rows(
    signer: &Signer,
    entries: &[Entry],
    folder: &Path,
    effort: Effort,
) -> Result<Vec<Row>> {
    let old = entries.get(..SIZE).ok_or("the corpus is too small")?;
    let new = entries.len() - effort.rounds * effort.appends;
    let new = entries.get(new.max(SIZE)..).unwrap_or_default();
    Ok(vec![
        against_signature(signer, old, new, effort)?,
        against_mkndx(signer, old, folder, effort)?,
    ])
}

fn against_signature(signer: &Signer, old: &[Entry], new: &[Entry], effort: Effort) -> Result<Row> {
    let mut packages = listed(old)?;
    let (mut base, mut segments, _) = signer.first_v3(&packages)?;
    let (mut appends, mut signatures) = (Samples::default(), Samples::default());
    for entries in new.chunks(effort.appends) {
        signatures.push(signer.signature_cpu(effort.appends)?);
        let mut seconds = 0.0;
        for entry in entries {
            let live = packages.len() + 1;
            packages.push(entry.indexed(i64::try_from(live)?)?);
            let added = packages.last().cloned().into_iter().collect();
            let (made, cpu) = add(signer, &base, added, live)?;
            (base, segments) = made;
            seconds += cpu;
        }
        appends.push(seconds / entries.len() as f64);
    }
    // What was made step by step is, byte for byte, what is made at once.
    let (_, cold, _) = signer.first_v3(&packages)?;
    same_bytes("Packages.adb", &joined(&segments), &joined(&cold))?;
    Ok(Row {
        what: format!("add one package to {} in `Packages.adb`", grouped(SIZE)),
        of: SIGNATURE.to_owned(),
        ratio: appends.over(&signatures),
        goal: Goal::None,
        sides: sides(&appends, &signatures),
    })
}

fn against_mkndx(signer: &Signer, old: &[Entry], folder: &Path, effort: Effort) -> Result<Row> {
    let apk = Apk::find()?;
    let (base, segments, _) = signer.first_v3(&listed(old)?)?;
    let newcomer = newcomer();
    let package = newcomer.package(20_000);
    let before = joined(&segments);
    let files = Folder::make(folder, old, &newcomer, &package, ("OLD.adb", &before))?;
    signer.write_key(&files.path.join("key.rsa"))?;
    let added = added(&package, old.len())?;

    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..effort.slow_rounds() {
        let mut command = apk.command();
        command
            .current_dir(&files.path)
            .args(["mkndx", "--root"])
            .arg(files.path.join("root"))
            .args(["--allow-untrusted", "--sign-key", "key.rsa"])
            .args(["--index", "OLD.adb", "--output", "NEW.adb"])
            .args(&files.all);
        theirs.push(cpu_of(&mut command)?);
        let mut seconds = 0.0;
        let mut own = None;
        for _ in 0..effort.appends {
            let (made, cpu) = add(signer, &base, added.to_vec(), old.len() + 1)?;
            own = Some(made.1);
            seconds += cpu;
        }
        ours.push(seconds / effort.appends as f64);
        let own = joined(&own.ok_or("nothing was added")?);
        same_packages(&own, &fs::read(files.path.join("NEW.adb"))?)?;
    }
    fs::remove_dir_all(&files.path)?;
    let size = grouped(old.len());
    Ok(Row {
        what: format!("`apk mkndx --index OLD *.apk`, one package new among {size}, signed"),
        of: "adding the same package to `Packages.adb` here".to_owned(),
        ratio: theirs.over(&ours),
        goal: Goal::None,
        sides: sides(&theirs, &ours),
    })
}

/// The index after further packages, and the CPU seconds that it took.
fn add(
    signer: &Signer,
    before: &Base,
    added: Vec<IndexedPackage>,
    live: usize,
) -> Result<((Base, Segments), f64)> {
    let changes = IndexChanges {
        removed: Vec::new(),
        added,
    };
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
        let ((_, segments), _) = add(&signer, &base, last, 60).unwrap();
        same_packages(&all, &joined(&segments)).unwrap();
    }
}
