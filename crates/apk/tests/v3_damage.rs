//! No bytes make the reader of the v3 index panic, and no change to a signed index goes unnoticed.

#![expect(
    clippy::unwrap_used,
    reason = "what builds the input of a test may fail it"
)]

use apk::{
    arch::Arch,
    dependency::Dependency,
    digest::{Identity, Sha256Digest},
    facts::{Format, PackageFacts},
    limits::Limits,
    name::PackageName,
    sign::SigningKey,
    v3::{
        container::{self, Compression},
        index::{IndexEntry, PackageHash, payload, read, read_unverified, write},
        schema::Schema,
    },
    version::Version,
};
use proptest::prelude::*;

const BY_APK: &[u8] = include_bytes!("v3/mkndx.adb");
const KEY: &[u8] = include_bytes!("keys/rsa.pkcs8.pem");

/// An uncompressed index with this database and no signature.
fn unsigned(database: &[u8]) -> Vec<u8> {
    let mut file = container::start(Schema::Index);
    apk::v3::block::write(&mut file, apk::v3::block::BlockKind::Adb, database).unwrap();
    file
}

/// The database of apk's index: after the head of the file and that of the block.
fn database_by_apk() -> Vec<u8> {
    let file = container::unpack(BY_APK, 1 << 20).unwrap();
    let (_, blocks) = container::open(&file).unwrap();
    let mut blocks = apk::v3::block::Blocks::new(blocks, 8);
    blocks.next().unwrap().unwrap().payload.to_vec()
}

#[test]
fn every_flipped_bit_of_a_signed_index_is_noticed() {
    let key = SigningKey::from_pem(KEY).unwrap();
    let mut file = container::unpack(BY_APK, 1 << 20).unwrap().into_owned();
    for byte in 0..file.len() {
        let bit = 1 << (byte % 8);
        file[byte] ^= bit;
        let index = read(&file, &Limits::default(), &[key.public_key()]);
        assert!(index.is_err(), "bit {bit} of byte {byte}");
        file[byte] ^= bit;
    }
    assert!(read(&file, &Limits::default(), &[key.public_key()]).is_ok());
}

#[test]
fn every_shorter_file_is_refused() {
    let key = SigningKey::from_pem(KEY).unwrap();
    let file = container::unpack(BY_APK, 1 << 20).unwrap();
    for whole in [BY_APK, &file] {
        for length in 0..whole.len() {
            let index = read(&whole[..length], &Limits::default(), &[key.public_key()]);
            assert!(index.is_err(), "{length} bytes");
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9+._-]{0,8}[a-z0-9]"
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let bound = prop_oneof![
        Just(String::new()),
        (
            "(=|<|<=|>|>=|~|<~|>~)",
            "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(_rc1)?(-r[0-9])?"
        )
            .prop_map(|(operator, version)| operator + &version),
    ];
    ("!?", "(so:|cmd:|)[a-f]{1,2}", bound)
        .prop_map(|(conflict, name, bound)| format!("{conflict}{name}{bound}"))
        .prop_map(|text| Dependency::parse(&text).unwrap())
}

fn dependencies() -> impl Strategy<Value = Vec<Dependency>> {
    proptest::collection::vec(dependency(), 0..6)
}

fn package() -> impl Strategy<Value = (PackageFacts, [u8; 20], u64)> {
    let names = (name(), "[0-9]{1,3}(\\.[0-9]{1,3})?-r[0-9]", "[ -~é]{0,300}");
    let lists = (
        dependencies(),
        dependencies(),
        dependencies(),
        dependencies(),
    );
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    (names, lists, numbers, any::<[u8; 20]>()).prop_map(|(names, lists, numbers, identity)| {
        let format = Format::V2 {
            data_hash: Sha256Digest::from_bytes([0; 32]),
        };
        let info = PackageFacts {
            description: names.2.clone(),
            url: names.2,
            origin: names.0.clone(),
            commit: identity
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                + &"0".repeat(usize::from(numbers.0 % 2 == 1)),
            build_date: numbers.0,
            installed_size: numbers.1,
            provider_priority: numbers.2,
            depends: lists.0,
            provides: lists.1,
            install_if: lists.2,
            replaces: lists.3,
            ..PackageFacts::new(
                format,
                PackageName::parse(&names.0).unwrap(),
                Version::parse(&names.1).unwrap(),
                Arch::noarch(),
            )
        };
        (info, identity, numbers.3)
    })
}

/// The dependencies as an index holds them, in an order that both lists are brought to.
fn set(list: &[Dependency]) -> Vec<String> {
    let mut texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    texts.sort();
    texts.dedup();
    texts
}

proptest! {
    #[test]
    fn packages_are_read_back_as_they_were_written(
        packages in proptest::collection::vec(package(), 0..8),
        deflate in any::<bool>(),
    ) {
        let identities: Vec<Identity> = packages.iter().map(|(_, identity, _)| Identity::from_bytes(*identity)).collect();
        let entries: Vec<IndexEntry<'_>> = packages
            .iter()
            .zip(&identities)
            .map(|((facts, _, size), identity)| IndexEntry { facts, hash: PackageHash::Identity(*identity), size: *size })
            .collect();
        let compression = if deflate { Compression::Deflate } else { Compression::None };
        let file = container::pack(unsigned(&payload(&entries, "").unwrap()), compression).unwrap();
        let index = read_unverified(&file, &Limits::default()).unwrap();
        prop_assert_eq!(index.packages.len(), entries.len());
        for entry in entries {
            let found = index.packages.iter().find(|package| package.hash.as_bytes() == entry.hash.as_bytes());
            let found = found.unwrap();
            prop_assert_eq!(found.size, entry.size);
            prop_assert_eq!(set(&found.facts.depends), set(&entry.facts.depends));
            prop_assert_eq!(set(&found.facts.provides), set(&entry.facts.provides));
            prop_assert_eq!(set(&found.facts.install_if), set(&entry.facts.install_if));
            prop_assert_eq!(set(&found.facts.replaces), set(&entry.facts.replaces));
            let expected = PackageFacts {
                format: Format::V3,
                commit: entry.facts.commit[..40].to_owned(),
                depends: found.facts.depends.clone(),
                provides: found.facts.provides.clone(),
                install_if: found.facts.install_if.clone(),
                replaces: found.facts.replaces.clone(),
                ..entry.facts.clone()
            };
            prop_assert_eq!(&found.facts, &expected);
        }
    }

    #[test]
    fn a_damaged_database_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut database = database_by_apk();
        for (place, byte) in changes {
            let place = place.index(database.len());
            database[place] = byte;
        }
        // Whatever is read is within the limits, and can be written down.
        if let Ok(index) = read_unverified(&unsigned(&database), &Limits::tiny()) {
            prop_assert!(index.packages.len() <= 16);
        }
    }

    #[test]
    fn a_database_of_words_never_panics(
        words in proptest::collection::vec((0_u32..16, 0_u32..64), 2..64),
    ) {
        // Words with every type, most of them pointing somewhere into the database.
        let database: Vec<u8> = words
            .iter()
            .enumerate()
            .flat_map(|(place, (kind, content))| {
                let content = if place % 2 == 0 { *content } else { content * 4 };
                let word = if place == 0 { 0 } else { kind << 28 | content };
                word.to_le_bytes()
            })
            .collect();
        let _ = read_unverified(&unsigned(&database), &Limits::tiny());
    }

    #[test]
    fn a_damaged_file_never_panics(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        packed in any::<bool>(),
    ) {
        let key = SigningKey::from_pem(KEY).unwrap();
        let mut file = write(&[], "A description", &[&key], if packed { Compression::Deflate } else { Compression::None }).unwrap();
        let place = place.index(file.len());
        file[place] = byte;
        // A deflate stream has bits that mean nothing: what is read then is what was written.
        if let Ok(index) = read(&file, &Limits::default(), &[key.public_key()]) {
            prop_assert_eq!(index.description, "A description");
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in 0..4_usize) {
        let heads: [&[u8]; 4] = [b"", b"ADB.indx", b"ADBd", b"ADBc\x01\x09"];
        let file = [heads[start], &bytes].concat();
        let _ = read_unverified(&file, &Limits::tiny());
    }
}
