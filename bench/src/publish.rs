//! From PUT to an index that has the package, over HTTP, with the disk syncs in.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use apk::sign::{KeySize, SigningKey};

use crate::{
    Effort, Failure, Result,
    content::records,
    corpus::{self, Entry},
    http::Connection,
    measure::{Samples, Seconds, seconds_by, wall_seconds, whole},
    report::{Row, Table},
    servers::{
        in_threads, joined,
        tarn::{Tarn, index_of},
    },
    signature::signature_cpu,
    tools::{WorkFolder, settle_disk},
};

/// Connections where there are several.
const CONNECTIONS: usize = 8;

/// Bytes in the one file of each package.
const CONTENT: u64 = 2_000;

/// The repository that is pushed in bulk, and the two that single packages go to.
const BULK: &str = "bulk";
const SMALL: &str = "small";
const LARGE: &str = BULK;

const WRITE: &str = "a file of the same bytes written, synced, renamed, its folder synced";

/// How many packages of each kind.
struct Counts {
    bulk: usize,
    large: usize,
    singles: usize,
}

struct Bench {
    tarn: Tarn,
    folder: WorkFolder,
    key: SigningKey,
    written: AtomicUsize,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort, binary: &Path) -> Result<Table> {
    let counts = if effort.quick {
        Counts {
            bulk: 200,
            large: 1_000,
            singles: 8,
        }
    } else {
        Counts {
            bulk: 2_000,
            large: 30_000,
            singles: 24,
        }
    };
    let folder = WorkFolder::new("publish")?;
    let bench = Bench {
        tarn: Tarn::start(binary, folder.path())?,
        key: SigningKey::generate(KeySize::Rsa4096)?,
        written: AtomicUsize::new(0),
        folder,
    };
    let rounds = effort.slow_rounds();
    let singles = rounds * counts.singles * (1 + CONNECTIONS) * 2;
    let mut entries = corpus::entries(counts.large + singles + 1, 11);
    let mut alone = entries.split_off(counts.large);
    // The first index of an owner waits for the key that is made for it.
    let first = alone.split_off(singles);
    bench.tarn.push(SMALL, 1, &first, package)?;
    bench.expect(SMALL, &first)?;

    let mut rows = bench.bulk(&entries, &counts, rounds)?;
    let pushed = rounds * counts.bulk;
    let rest = entries.get(pushed..).unwrap_or_default();
    bench.tarn.push(LARGE, CONNECTIONS, rest, package)?;
    bench.expect(LARGE, &entries)?;
    rows.extend(bench.singles(&alone, &counts, rounds)?);
    Ok(Table {
        name: "publish",
        how: format!(
            "Over loopback, wall time unless it says CPU. PUT to visible: a package of {} bytes is put, the index is fetched whole, \
             and it has the package (looked at after the clock has stopped). The other side is the least that a durable \
             publish can be on this disk, on as many threads. {rounds} rounds in turns; {} packages a connection in a round, {} in a bulk.",
            entries.first().map_or(0, |entry| package(entry).len()),
            counts.singles,
            counts.bulk,
        ),
        rows,
    })
}

fn package(entry: &Entry) -> Vec<u8> {
    entry.package(CONTENT)
}

impl Bench {
    /// Rounds of a bulk push, while a reader asks for the index all the time.
    fn bulk(&self, entries: &[Entry], counts: &Counts, rounds: usize) -> Result<Vec<Row>> {
        let (mut pushes, mut writes) = (Samples::default(), Samples::default());
        let mut indexes = Samples::default();
        for (round, entries) in entries.chunks(counts.bulk).take(rounds).enumerate() {
            let packages: Vec<Vec<u8>> = entries.iter().map(package).collect();
            settle_disk()?;
            let ((), write) = wall_seconds(|| self.write_all(&packages, CONNECTIONS))?;
            settle_disk()?;
            let pushing = AtomicBool::new(true);
            let (seen, push) = thread::scope(|scope| {
                let reader = scope.spawn(|| self.indexes_while(&pushing));
                let pushed =
                    wall_seconds(|| self.tarn.push(BULK, CONNECTIONS, &packages, Vec::clone));
                pushing.store(false, Ordering::Relaxed);
                Ok::<_, Failure>((joined(reader)?, pushed?.1))
            })?;
            self.expect_count(BULK, (round + 1) * counts.bulk)?;
            let count = packages.len() as f64;
            pushes.push(push / count);
            writes.push(write / count);
            indexes.push(seen as f64);
        }
        let bulk = counts.bulk;
        Ok(vec![
            Row::new(
                format!(
                    "bulk push of {bulk} over {CONNECTIONS} connections, a reader polling: wall for each package"
                ),
                format!("{WRITE}, on {CONNECTIONS} threads"),
                (&pushes, &writes),
                |seconds| whole(1.0 / seconds),
            )
            .unit("a second"),
            Row::of_number(
                "indexes that the polling reader got meanwhile",
                "packages pushed",
                (&indexes, bulk as f64),
                |indexes| format!("{indexes:.0} / {bulk}"),
            ),
        ])
    }

    /// How many different indexes there were until the pushing ended.
    fn indexes_while(&self, pushing: &AtomicBool) -> Result<usize> {
        let mut connection = self.tarn.connect()?;
        let mut seen = BTreeSet::new();
        while pushing.load(Ordering::Relaxed) {
            let answer = connection.get(&index_of(BULK))?;
            if answer.status == 200 {
                seen.insert(answer.header("etag")?.to_owned());
            }
        }
        Ok(seen.len())
    }

    /// PUT to visible, at a small index and at a large one, on one connection and on several.
    fn singles(&self, entries: &[Entry], counts: &Counts, rounds: usize) -> Result<Vec<Row>> {
        let mut left = entries.iter();
        let mut rows = Vec::new();
        for connections in [1, CONNECTIONS] {
            let mut writes = Samples::default();
            let mut signatures = Samples::default();
            let mut sides =
                [SMALL, LARGE].map(|name| (name, Samples::default(), Samples::default()));
            for _ in 0..rounds {
                let count = counts.singles * connections;
                signatures.push(signature_cpu(&self.key, 32)?);
                for (round_half, (repository, walls, cpus)) in sides.iter_mut().enumerate() {
                    let packages: Vec<(&Entry, Vec<u8>)> = left
                        .by_ref()
                        .take(count)
                        .map(|entry| (entry, package(entry)))
                        .collect();
                    if round_half == 0 {
                        let bytes: Vec<Vec<u8>> =
                            packages.iter().map(|(_, bytes)| bytes.clone()).collect();
                        settle_disk()?;
                        let ((), wall) = wall_seconds(|| self.write_all(&bytes, connections))?;
                        writes.push(wall / count as f64);
                    }
                    settle_disk()?;
                    let publish = || self.visible(repository, &packages, connections);
                    let (wall, cpu) = seconds_by(|| self.tarn.cpu(), publish)?;
                    cpus.push(cpu / count as f64);
                    walls.push(wall / count as f64);
                }
            }
            let on = match connections {
                1 => "one connection".to_owned(),
                several => format!("{several} connections"),
            };
            for (repository, walls, cpus) in &sides {
                let of = match *repository {
                    SMALL => "a new repository".to_owned(),
                    _ => format!("{} packages", counts.large),
                };
                rows.push(Row::new(
                    format!("PUT to visible in {of}, {on}: wall for each"),
                    format!("{WRITE}, on as many threads"),
                    (walls, &writes),
                    Seconds,
                ));
                rows.push(Row::new(
                    format!("PUT to visible in {of}, {on}: CPU of the server for each"),
                    "one RSA-4096 signature",
                    (cpus, &signatures),
                    Seconds,
                ));
            }
        }
        Ok(rows)
    }

    /// Publishes and reads the index, each package by itself. Gives the wall time of all, without looking into the
    /// indexes.
    fn visible(
        &self,
        repository: &str,
        packages: &[(&Entry, Vec<u8>)],
        connections: usize,
    ) -> Result<f64> {
        let each = packages.len().div_ceil(connections);
        let publish = |share: &[(&Entry, Vec<u8>)]| {
            let mut connection = self.tarn.connect()?;
            let mut read = Vec::new();
            for (_, bytes) in share {
                self.tarn.put(&mut connection, repository, bytes)?;
                let index = connection.get(&index_of(repository))?.expect(200)?;
                read.push(index.body);
            }
            Ok(read)
        };
        let (read, wall) = wall_seconds(|| in_threads(packages.chunks(each), publish))?;
        for ((entry, _), index) in packages.iter().zip(read.into_iter().flatten()) {
            let file = entry.file_name();
            if !names(&index)?.contains(&file) {
                return Err(format!("{file} was published and is not in the index").into());
            }
        }
        Ok(wall)
    }

    /// Writes each of `files` so that it survives a power cut.
    fn write_all(&self, files: &[Vec<u8>], threads: usize) -> Result<()> {
        let folder = self.folder.path().join("written");
        fs::create_dir_all(&folder)?;
        let each = files.len().div_ceil(threads);
        let write_share = |share: &[Vec<u8>]| {
            for bytes in share {
                let number = self.written.fetch_add(1, Ordering::Relaxed);
                write_durably(&folder, number, bytes)?;
            }
            Ok(())
        };
        in_threads(files.chunks(each), write_share)?;
        Ok(())
    }

    fn index(&self, repository: &str) -> Result<Vec<u8>> {
        let mut connection: Connection = self.tarn.connect()?;
        Ok(connection.get(&index_of(repository))?.expect(200)?.body)
    }

    /// All of these packages are in the index, and nothing else.
    fn expect(&self, repository: &str, entries: &[Entry]) -> Result<()> {
        let wanted: BTreeSet<String> = entries.iter().map(Entry::file_name).collect();
        if names(&self.index(repository)?)? == wanted {
            return Ok(());
        }
        Err(format!("the index of {repository} is not that of what was pushed").into())
    }

    fn expect_count(&self, repository: &str, count: usize) -> Result<()> {
        let found = names(&self.index(repository)?)?.len();
        if found == count {
            return Ok(());
        }
        Err(format!("{count} packages were pushed and the index has {found}").into())
    }
}

fn write_durably(folder: &Path, number: usize, bytes: &[u8]) -> Result<()> {
    let unfinished = folder.join(format!("unfinished-{number}"));
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&unfinished, folder.join(number.to_string()))?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// The file names that an index stands for.
fn names(index: &[u8]) -> Result<BTreeSet<String>> {
    let name = |record: &String| {
        let field = |key: &str| record.lines().find_map(|line| line.strip_prefix(key));
        Some(format!("{}-{}.apk", field("P:")?, field("V:")?))
    };
    Ok(records(index)?.iter().filter_map(name).collect())
}
