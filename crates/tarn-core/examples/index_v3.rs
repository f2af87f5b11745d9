//! How long it takes to make a v3 index out of the one before it, beside a bare RSA-4096 signature: medians of rounds in which the two
//! take turns. And the memory that it takes.
//!
//! ```text
//! cargo run --release -p tarn-core --example index_v3 -- APKINDEX.tar.gz SIZE… [OUT]
//! ```
//!
//! It takes the packages of an index of Alpine, as often as it needs them, each time with later versions, in the order in which they
//! were built. For each size it adds one package, takes one away, and prints the medians. With a folder as the last argument it writes
//! the index and the key there, so that `apk mkndx` can be measured over the same packages.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs, path::PathBuf, sync::Arc, time::Instant};

use apk::{
    arch::Arch,
    dependency::Dependency,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    limits::Limits,
    name::PackageName,
    sign::{KeyName, KeySize, SigningKey},
    v2::index::read_unverified,
    v3::{block::Blocks, container},
    version::Version,
};
use tarn_base::clock::Timestamp;
use tarn_core::{
    index::{adb, v3},
    keys::{ActiveKey, OwnerKeys},
};
use tarn_store::metadata::{IndexChanges, IndexedPackage, SigningKeyId, StoredFacts};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Rounds of which the median is taken.
const ROUNDS: usize = 31;

fn main() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = arguments.pop_if(|last| last.parse::<usize>().is_err());
    let (index, sizes) = arguments.split_first().ok_or("give an APKINDEX.tar.gz")?;
    let index = read_unverified(&fs::read(index)?, &Limits::default())?;
    let mut records: Vec<String> = index.records.iter().map(ToString::to_string).collect();
    records.sort_by_key(|record| field(record, 't').parse::<u64>().unwrap_or(0));
    let key = SigningKey::generate(KeySize::Rsa4096)?;
    if let Some(out) = &out {
        fs::write(PathBuf::from(out).join("key.pem"), key.to_pkcs8_pem()?)?;
    }
    let keys = OwnerKeys {
        active: vec![Arc::new(ActiveKey {
            id: SigningKeyId::from_row(1),
            name: KeyName::parse("a.rsa.pub")?,
            public: key.public_key().clone(),
            key: key.clone(),
        })],
        changed_at: Timestamp::from_seconds(0),
    };
    for size in sizes {
        measure(size.parse()?, &records, &keys, &key, out.as_deref())?;
    }
    Ok(())
}

fn measure(
    size: i64,
    records: &[String],
    keys: &OwnerKeys,
    key: &SigningKey,
    out: Option<&str>,
) -> Outcome<()> {
    let limits = Limits::default();
    let before = Instant::now();
    let mut gathered = adb::Gathered::default();
    let mut number = 0;
    while number < size {
        let until = (number + 8192).min(size);
        let packages: Vec<IndexedPackage> = (number..until)
            .map(|number| package(number, records))
            .collect::<Outcome<_>>()?;
        gathered = v3::gather(gathered, &packages)?;
        number = until;
    }
    let live = u64::try_from(size)?;
    let (mut base, segments, _) = v3::first(gathered, live, keys, &limits)?;
    println!(
        "{size} packages, from nothing: {:.0} ms",
        before.elapsed().as_secs_f64() * 1e3
    );
    println!("  at most {} KiB in memory so far", peak()?);
    let file = segments.whole();
    let plain = container::unpack(&file, 1 << 30)?;
    let (_, blocks) = container::open(&plain)?;
    let payload = Blocks::new(blocks, 8).next().ok_or("no block")??.payload;
    println!(
        "  file {} bytes, payload {}, in memory {}",
        file.len(),
        payload.len(),
        base.weight()
    );
    if let Some(out) = out {
        let out = PathBuf::from(out);
        fs::write(out.join(format!("{size}.adb")), &file)?;
        fs::write(out.join(format!("{size}.payload")), payload)?;
    }

    let mut live = live;
    let mut bare = Vec::new();
    let add = median(|| {
        let before = Instant::now();
        key.sign_sha256_digest(&[7; 32])?;
        bare.push(before.elapsed().as_secs_f64());
        let added = vec![package(number, records)?];
        number += 1;
        live += 1;
        let changes = IndexChanges {
            added,
            ..IndexChanges::default()
        };
        let before = Instant::now();
        let (next, segments, _) = v3::next(&base, changes, live, keys, &limits)?;
        let spent = before.elapsed().as_secs_f64();
        drop(segments);
        base = next;
        Ok(spent)
    })?;
    bare.sort_by(f64::total_cmp);
    let bare = bare.get(ROUNDS / 2).copied().ok_or("no rounds")?;
    println!(
        "  one more: {:.3} ms, {:.2} signatures of {:.3} ms",
        add * 1e3,
        add / bare,
        bare * 1e3
    );
    mean(size / 8, bare, &mut |_| {
        let added = vec![package(number, records)?];
        number += 1;
        live += 1;
        let changes = IndexChanges {
            added,
            ..IndexChanges::default()
        };
        let before = Instant::now();
        let (next, ..) = v3::next(&base, changes, live, keys, &limits)?;
        let spent = before.elapsed().as_secs_f64();
        base = next;
        Ok(spent)
    })?;
    let mut gone = size / 3;
    let remove = median(|| {
        gone += 7;
        live -= 1;
        let changes = IndexChanges {
            removed: vec![gone + 1],
            ..IndexChanges::default()
        };
        let before = Instant::now();
        let (next, ..) = v3::next(&base, changes, live, keys, &limits)?;
        let spent = before.elapsed().as_secs_f64();
        base = next;
        Ok(spent)
    })?;
    println!("  one fewer: {:.2} ms", remove * 1e3);
    Ok(())
}

/// Prints the mean of so many appends, with those in which the newer packages join the others, and the longest.
fn mean(appends: i64, bare: f64, append: &mut impl FnMut(i64) -> Outcome<f64>) -> Outcome<()> {
    let spent = (0..appends).map(append).collect::<Outcome<Vec<f64>>>()?;
    let mean = spent.iter().sum::<f64>() / spent.len() as f64;
    let longest = spent.iter().copied().fold(0.0, f64::max);
    println!(
        "  the mean of {appends} more: {:.3} ms, {:.2} signatures; the longest {:.0} ms",
        mean * 1e3,
        mean / bare,
        longest * 1e3
    );
    Ok(())
}

/// The median of what `round` gives, in seconds.
fn median(mut round: impl FnMut() -> Outcome<f64>) -> Outcome<f64> {
    let mut rounds = (0..ROUNDS)
        .map(|_| round())
        .collect::<Outcome<Vec<f64>>>()?;
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().ok_or("no rounds".into())
}

/// The most memory that the process had so far, in KiB (`VmHWM` of proc(5)).
fn peak() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.ok_or("no VmHWM")?.parse()?)
}

fn field(record: &str, field: char) -> &str {
    let mut lines = record.lines();
    lines
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .unwrap_or("")
}

/// The package of that number: those of the index, and when there are no more, later versions of them.
fn package(number: i64, records: &[String]) -> Outcome<IndexedPackage> {
    let number = usize::try_from(number)?;
    let round = number / records.len();
    let record = records.get(number % records.len()).ok_or("no records")?;
    let text = |name| field(record, name).to_owned();
    let mut hash = [0; 20];
    hash.copy_from_slice(Identity::parse_index_field(field(record, 'C'))?.as_bytes());
    for (byte, mixed) in hash.iter_mut().zip((round * 0x9e37_79b9).to_le_bytes()) {
        *byte ^= mixed;
    }
    let version = match round {
        0 => text('V'),
        round => format!("{}{round}", text('V')),
    };
    // Old indexes have dependencies that are not taken from new packages: they are left out.
    let list = |name| -> Vec<Dependency> {
        let words = field(record, name).split(' ');
        words
            .filter_map(|word| Dependency::parse(word).ok())
            .collect()
    };
    let facts = PackageFacts {
        description: text('T'),
        url: text('U'),
        license: text('L'),
        origin: text('o'),
        maintainer: text('m'),
        commit: text('c'),
        build_date: field(record, 't').parse::<u64>().unwrap_or(0) + round as u64 * 1_000_000,
        installed_size: field(record, 'I').parse()?,
        depends: list('D'),
        provides: list('p'),
        install_if: list('i'),
        ..PackageFacts::new(
            Format::V2 {
                data_hash: Sha256Digest::from_bytes([0; 32]),
            },
            PackageName::parse(field(record, 'P'))?,
            Version::parse_lenient(&version, &Limits::default())?,
            Arch::parse("x86_64")?,
        )
    };
    Ok(IndexedPackage {
        sequence: i64::try_from(number)? + 1,
        facts: StoredFacts::of(&facts),
        identity: PackageHash::Identity(Identity::from_bytes(hash)),
        size: field(record, 'S').parse()?,
    })
}
