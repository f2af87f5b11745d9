//! From a changed row to signed bytes in memory: CPU time as the index grows.

mod incumbent;
mod setup;
mod v3;

use std::collections::BTreeSet;

use tarn_core::index::{Segments, v2::Base};
use tarn_store::metadata::{IndexChanges, IndexedPackage};

use self::setup::Signer;
use crate::{
    Effort, Result,
    content::{records, same_bytes, same_records},
    corpus::{self, Entry, rendered},
    measure::{Samples, Seconds, cpu_seconds, mean, wall_seconds},
    report::{Row, Table},
    tools::{WorkFolder, zlib_9},
};

/// Rows of the indexes that one package is added to.
const SIZES: [usize; 5] = [1_000, 10_000, 30_000, 100_000, 300_000];
const QUICK_SIZES: [usize; 3] = [1_000, 10_000, 30_000];

const SIGNATURE: &str = "one RSA-4096 signature by the same key in the same process";

/// An index that grows.
struct Growing {
    size: usize,
    packages: Vec<IndexedPackage>,
    state: Base,
    segments: Segments,
    /// CPU seconds for one package, round by round.
    appends: Samples,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort) -> Result<Table> {
    let sizes: &[usize] = if effort.quick { &QUICK_SIZES } else { &SIZES };
    let most = sizes.last().copied().unwrap_or(1_000);
    let folder = WorkFolder::new("engine")?;
    let signer = Signer::make(folder.path())?;
    let entries = corpus::entries(most + 10_000, 1);
    let packages = listed(&entries)?;
    let (old, new) = packages.split_at(most);

    let mut indexes = sizes
        .iter()
        .map(|size| Growing::make(&signer, old.get(..*size).unwrap_or(old)))
        .collect::<Result<Vec<_>>>()?;
    let mut rows = appends(&signer, &mut indexes, new, effort)?;
    rows.extend(regeneration(&signer, &indexes, effort)?);
    rows.extend(incumbent::rows(
        &signer,
        &entries,
        &indexes,
        folder.path(),
        effort,
    )?);
    rows.extend(one_index_of_30_000(&signer, old, effort)?);
    rows.extend(v3::rows(&signer, &entries, folder.path(), effort)?);
    rows.extend(sizes_of(&indexes)?);
    let bytes: usize = texts(old)?.iter().map(String::len).sum();
    Ok(Table {
        name: "engine",
        how: format!(
            "CPU time of the process, all in memory. \"Add one package\" goes from the row that the database gives, with the facts of \
             the package as they are stored, to an index that is signed, verified by the independent reader and ready to be \
             sent. {} rounds; in each, every size gets {} packages one after the other, so a round holds the dear ones (a chunk that closes, a tar header \
             that changes) in their proportion. Records: {} bytes on average.",
            effort.rounds,
            effort.appends,
            bytes / old.len(),
        ),
        rows,
    })
}

impl Growing {
    fn make(signer: &Signer, packages: &[IndexedPackage]) -> Result<Self> {
        let (state, segments, _) = signer.first(packages)?;
        Ok(Self {
            size: packages.len(),
            packages: packages.to_vec(),
            state,
            segments,
            appends: Samples::default(),
        })
    }

    /// Adds each of `new` by itself.
    fn append(&mut self, signer: &Signer, new: &[IndexedPackage]) -> Result<()> {
        let seconds = mean(new, |package| {
            let live = self.packages.len() + 1;
            let package = IndexedPackage {
                sequence: i64::try_from(live)?,
                ..package.clone()
            };
            self.packages.push(package.clone());
            let changes = IndexChanges {
                removed: Vec::new(),
                added: vec![package],
            };
            let (made, cpu) = cpu_seconds(|| signer.next(&self.state, changes, live))?;
            (self.state, self.segments, _) = made;
            Ok(cpu)
        })?;
        self.appends.push(seconds);
        Ok(())
    }

    /// What was made step by step is, byte for byte, what is made at once; and it lists what was put in.
    fn check(&self, signer: &Signer) -> Result<()> {
        let (_, cold, _) = signer.first(&self.packages)?;
        let what = format!("{} packages", self.size);
        same_bytes(&what, &joined(&self.segments), &joined(&cold))?;
        let wanted: BTreeSet<String> = texts(&self.packages)?.into_iter().collect();
        same_records(&what, &records(&joined(&self.segments))?, &wanted)
    }
}

/// The packages as the database gives them, with sequences from 1 on.
fn listed(entries: &[Entry]) -> Result<Vec<IndexedPackage>> {
    (1..)
        .zip(entries)
        .map(|(sequence, entry)| entry.indexed(sequence))
        .collect()
}

/// The records of packages.
fn texts(packages: &[IndexedPackage]) -> Result<Vec<String>> {
    packages.iter().map(rendered).collect()
}

fn joined(segments: &Segments) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in segments.part(0..segments.length()) {
        bytes.extend_from_slice(&run);
    }
    bytes
}

/// Adding one package, against one signature.
fn appends(
    signer: &Signer,
    indexes: &mut [Growing],
    new: &[IndexedPackage],
    effort: Effort,
) -> Result<Vec<Row>> {
    let mut signatures = Samples::default();
    let mut left = new.chunks(effort.appends);
    for _ in 0..effort.rounds {
        let packages = left.next().ok_or("the corpus is too small")?;
        signatures.push(signer.signature_cpu(effort.appends)?);
        for index in &mut *indexes {
            index.append(signer, packages)?;
        }
    }
    for index in &*indexes {
        index.check(signer)?;
    }

    let mut rows: Vec<Row> = indexes
        .iter()
        .map(|index| {
            let what = format!("add one package to {}", grouped(index.size));
            let row = Row::new(what, SIGNATURE, (&index.appends, &signatures), Seconds);
            match index.size {
                300_000 => row.at_most(1.5),
                _ => row,
            }
        })
        .collect();
    if let (Some(first), Some(last)) = (indexes.first(), indexes.last()) {
        let what = format!("add one package to {}", grouped(last.size));
        let of = format!("the same at {}", grouped(first.size));
        rows.push(Row::new(what, of, (&last.appends, &first.appends), Seconds).at_most(1.3));
    }
    Ok(rows)
}

/// Making the whole index again by the plain writer, of records that are rendered already and not even reading it back, against
/// adding one package, in turns.
fn regeneration(signer: &Signer, indexes: &[Growing], effort: Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for index in indexes {
        let live = index.packages.len() + 1;
        let added = corpus::entries(1, 77)
            .iter()
            .map(|entry| entry.indexed(i64::try_from(live)?))
            .collect::<Result<Vec<_>>>()?;
        let mut texts = texts(&index.packages)?;
        texts.extend(self::texts(&added)?);
        let (mut whole, mut appends) = (Samples::default(), Samples::default());
        for _ in 0..effort.slow_rounds() {
            let (all, cpu) = cpu_seconds(|| signer.regenerate(&texts))?;
            whole.push(cpu);
            let (next, cpu) = signer.repeated(&index.state, &added, live)?;
            appends.push(cpu);
            let what = format!("regeneration of {} packages", index.size);
            same_records(&what, &records(&all)?, &records(&joined(&next))?)?;
        }
        let all = grouped(index.size);
        rows.push(Row::new(
            format!("regenerate all {all} and sign, level 6, unverified"),
            "adding the new package to them",
            (&whole, &appends),
            Seconds,
        ));
    }
    Ok(rows)
}

/// Removal, and an index that is not in memory yet.
fn one_index_of_30_000(
    signer: &Signer,
    packages: &[IndexedPackage],
    effort: Effort,
) -> Result<Vec<Row>> {
    let packages = packages.get(..30_000).unwrap_or(packages);
    let base = Growing::make(signer, packages)?;
    let mut removals = Samples::default();
    let mut signatures = Samples::default();
    let mut cold = Samples::default();
    let mut random = corpus::Random::new(5);
    for _ in 0..effort.rounds {
        signatures.push(signer.signature_cpu(effort.appends)?);
        removals.push(mean(0..effort.appends / 4, |_| {
            let gone = random.below(packages.len());
            let changes = IndexChanges {
                removed: vec![i64::try_from(gone)? + 1],
                added: Vec::new(),
            };
            let (made, cpu) =
                cpu_seconds(|| signer.next(&base.state, changes, packages.len() - 1))?;
            if made.0.records() != packages.len() as u64 - 1 {
                return Err("a removal removed something else".into());
            }
            Ok(cpu)
        })?);
        let (made, wall) = wall_seconds(|| signer.first(packages))?;
        same_bytes("the cold index", &joined(&made.1), &joined(&base.segments))?;
        cold.push(wall);
    }
    let size = grouped(packages.len());
    Ok(vec![
        Row::new(
            format!("remove one of {size}, anywhere"),
            SIGNATURE,
            (&removals, &signatures),
            Seconds,
        ),
        Row::of_number(
            format!("derive {size} from their rows, verified by reading all of it (wall)"),
            "one second",
            (&cold, 1.0),
            Seconds,
        )
        .at_most(1.0),
    ])
}

/// The compressed index against one run of zlib over the same text.
fn sizes_of(indexes: &[Growing]) -> Result<Vec<Row>> {
    indexes
        .iter()
        .map(|index| {
            let once = zlib_9(texts(&index.packages)?.concat().as_bytes())?;
            let first = index.segments.part(0..index.segments.length()).next();
            let signature = first.map_or(0, |run| run.len() as u64);
            let size = index.segments.length() - signature;
            let what = format!("bytes of the index of {}", grouped(index.packages.len()));
            let of = "one `zlib -9` run over the same text";
            Ok(Row::of_bytes(what, of, (size, once)).at_most(1.02))
        })
        .collect()
}

/// A number with commas between the thousands.
fn grouped(number: usize) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", grouped(number / 1_000), number % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_have_commas() {
        assert_eq!(grouped(300_000), "300,000");
        assert_eq!(grouped(1_234_005), "1,234,005");
        assert_eq!(grouped(7), "7");
    }

    #[test]
    fn an_index_that_grew_is_checked_against_one_made_at_once() {
        let folder = WorkFolder::new("engine-test").unwrap();
        let signer = Signer::make(folder.path()).unwrap();
        let packages = listed(&corpus::entries(600, 1)).unwrap();
        let mut index = Growing::make(&signer, &packages[..500]).unwrap();
        index.append(&signer, &packages[500..]).unwrap();
        index.check(&signer).unwrap();
        index.packages.pop();
        assert!(index.check(&signer).is_err());
    }
}
