//! The content of a signature block, in a package and in an index that apk signed with three keys. However it is read, it is by the same
//! keys: of the one that it names, over what it stands behind and nothing else.
#![no_main]

use std::sync::LazyLock;

use apk::{
    limits::Limits,
    sign::PublicKey,
    v3::{
        block::{self, BlockKind, Blocks},
        container, index,
        package::PackageReader,
        schema::Schema,
        signature::{KeyId, PayloadDigest, Signature},
    },
};
use libfuzzer_sys::fuzz_target;

/// A file without its signatures: the ADB block, and what is behind the signatures.
struct Unsigned {
    schema: Schema,
    digest: PayloadDigest,
    database: Vec<u8>,
    data: Vec<u8>,
}

impl Unsigned {
    fn of(file: &[u8]) -> Self {
        let file = container::unpack(file, 1 << 20).expect("a file of apk's");
        let (schema, blocks) = container::open(&file).expect("a file of apk's");
        let (mut database, mut data) = (Vec::new(), Vec::new());
        for block in Blocks::new(blocks, 8) {
            let block = block.expect("a file of apk's");
            match block.kind {
                BlockKind::Adb => database = block.payload.to_vec(),
                BlockKind::Signature => (),
                BlockKind::Data => {
                    block::write(&mut data, block.kind, block.payload).expect("small")
                }
            }
        }
        Self {
            schema,
            digest: PayloadDigest::of(schema, &database),
            database,
            data,
        }
    }

    /// The file with that signature, twice.
    fn signed(&self, signature: &[u8]) -> Vec<u8> {
        let mut file = container::start(self.schema);
        block::write(&mut file, BlockKind::Adb, &self.database).expect("small");
        for _ in 0..2 {
            block::write(&mut file, BlockKind::Signature, signature).expect("small");
        }
        file.extend_from_slice(&self.data);
        file
    }
}

static PACKAGE: LazyLock<Unsigned> =
    LazyLock::new(|| Unsigned::of(include_bytes!("../../crates/apk/tests/v3/package.apk")));
static INDEX: LazyLock<Unsigned> =
    LazyLock::new(|| Unsigned::of(include_bytes!("../../crates/apk/tests/v3/mkndx.adb")));
static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    [
        include_bytes!("../../crates/apk/tests/keys/rsa.pub.pem").as_slice(),
        include_bytes!("../../crates/apk/tests/keys/ec.p256.package.pub.pem"),
        include_bytes!("../../crates/apk/tests/keys/ec.p384.package.pub.pem"),
    ]
    .map(|pem| PublicKey::from_pem(pem).expect("a key of the tests"))
    .to_vec()
});

fuzz_target!(|bytes: &[u8]| {
    let signature = Signature::parse(bytes);
    let limits = Limits::default();
    if bytes.len() as u64 > limits.signature_entry {
        return;
    }
    let mut reader = PackageReader::new(limits.clone());
    reader.push(&PACKAGE.signed(bytes)).expect("a package");
    let package = reader.finish().expect("a package");
    let named: Vec<KeyId> = signature.iter().flat_map(|one| [one.key; 2]).collect();
    assert_eq!(package.signed_by().collect::<Vec<_>>(), named);
    let index_file = INDEX.signed(bytes);
    let read = index::read_unverified(&index_file, &limits).expect("an index");
    assert_eq!(read.signed_by, named);
    for key in KEYS.iter() {
        let is_by = |digest| signature.is_some_and(|one| one.is_by(key, digest));
        assert_eq!(package.is_signed_by(key), is_by(&PACKAGE.digest));
        assert_eq!(
            index::read(&index_file, &limits, &[key]).is_ok(),
            is_by(&INDEX.digest)
        );
        assert!(!is_by(&PACKAGE.digest) || !is_by(&INDEX.digest));
        let of_no_file = PayloadDigest::of(Schema::Index, &PACKAGE.database);
        assert!(!is_by(&of_no_file));
        if is_by(&PACKAGE.digest) {
            assert_eq!(named.first(), Some(&KeyId::of(key)));
            // Every bit of what stands in front of the signature is signed with it.
            for byte in 0..18 {
                let mut changed = bytes.to_vec();
                changed[byte] ^= 1;
                let changed = Signature::parse(&changed);
                assert!(!changed.is_some_and(|one| one.is_by(key, &PACKAGE.digest)));
            }
        }
    }
});
