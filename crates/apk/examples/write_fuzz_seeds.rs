//! Writes the seeds of the fuzz targets: `cargo run -p apk --example write_fuzz_seeds -- fuzz/seeds`

use std::{error::Error, fs, path::Path};

use apk::{
    arch::Arch,
    dependency::Dependency,
    limits::Limits,
    sign::{Algorithm, KeyName, SigningKey},
    v2::{
        gzip::compress_member,
        index::{self, Description},
        package::{PackageReader, Script},
        record,
        tar::{END_OF_ARCHIVE, EntryHeader, EntryKind},
    },
    v3::{
        block::{BlockKind, Blocks},
        container::{self, Compression},
        schema::package,
    },
};
use apk_testkit::{facts::PKGINFO, v2::PackageBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: write_fuzz_seeds FOLDER")?;
    let seed = |target: &str, name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    };
    let key = SigningKey::from_pem(include_bytes!("../tests/keys/rsa.pkcs8.pem"))?;
    let key_name = KeyName::parse("tests@example.org.rsa.pub")?;

    let small = PackageBuilder::new("a", "1").without("pkgdesc").level(9);
    let full = PackageBuilder::new("hello", "1.0-r0")
        .script(Script::PostInstall, "#!/bin/sh\n")
        .symbolic_link("usr/bin/hallo", "hello")
        .sign(&key_name, &key);
    seed("package", "small", &small.build())?;
    seed("package", "full", &full.build())?;
    seed("package", "no-files", &small.no_files().build())?;

    v3_seeds(&seed, &key)?;

    let entries = [
        EntryHeader {
            kind: EntryKind::Directory,
            ..EntryHeader::file(b"usr", 0, 0)
        },
        EntryHeader {
            pax: &[
                (
                    "APK-TOOLS.checksum.SHA1",
                    b"da39a3ee5e6b4b0d3255bfef95601890afd80709",
                ),
                ("SCHILY.xattr.user.a", b"b"),
            ],
            ..EntryHeader::file(b"usr/a", 0, 0)
        },
        EntryHeader {
            kind: EntryKind::SymbolicLink,
            link_target: b"a",
            ..EntryHeader::file(b"usr/b", 0, 0)
        },
        EntryHeader {
            kind: EntryKind::HardLink,
            link_target: b"usr/a",
            ..EntryHeader::file(b"usr/c", 0, 0)
        },
        EntryHeader {
            kind: EntryKind::CharacterDevice,
            ..EntryHeader::file(b"usr/d", 0, 0)
        },
    ];
    let tar: Vec<u8> = entries.iter().flat_map(EntryHeader::to_bytes).collect();
    seed("tar", "entries", &[&tar[..], &END_OF_ARCHIVE].concat())?;
    seed(
        "gzip",
        "member",
        &compress_member([&b"some content"[..]], 9),
    )?;
    seed("gzip", "content", b"some content")?;

    let pkginfo = format!("{PKGINFO}datahash = {}\n", "0".repeat(64));
    seed("pkginfo", "full", pkginfo.as_bytes())?;
    let marked = format!("{PKGINFO}datahash = @DATAHASH@\n");
    let script = EntryHeader::file(b".post-install", 0, 0).to_bytes();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).map(u16::to_le_bytes);
    let lengths = [length(marked.as_bytes())?, length(&script)?].concat();
    seed(
        "sections",
        "full",
        &[&lengths, marked.as_bytes(), &script, &tar].concat(),
    )?;

    let file = full.build();
    let mut reader = PackageReader::new(Limits::default());
    reader.push(&file)?;
    let package = reader.finish()?;
    let text = record::render(
        &package.facts,
        &package.identity,
        package.size,
        &Arch::parse("x86_64")?,
    );
    seed("record", "rendered", text.as_bytes())?;
    let description = Description::parse("Seeds")?;
    let unsigned = index::write([text.as_str()], &description, 0, 9);
    seed(
        "index",
        "signed",
        &[
            index::sign_index(&unsigned, &[(&key_name, &key)])?,
            unsigned,
        ]
        .concat(),
    )?;
    let size = text.len() as u64;
    let tar = [
        index::description_entry(&description, 0),
        index::apkindex_header(size, 0),
        text.into_bytes(),
        index::trailer(size),
    ];
    seed("index", "tar", &tar.concat())?;
    let entry_name = key_name.entry_name(Algorithm::Rsa256);
    seed(
        "index",
        "signature-tar",
        &EntryHeader::file(entry_name.as_bytes(), 0, 0).to_bytes(),
    )?;

    for (number, text) in [
        "1.0",
        "1.2.3_alpha4_git20240101~0abc-r5\n1.2.3-r0\n1.2.3a-r0",
        "007_p1\n0.1\n0.10",
    ]
    .iter()
    .enumerate()
    {
        seed("version", &number.to_string(), text.as_bytes())?;
    }
    let dependencies = [
        "so:libc.musl-x86_64.so.1=1",
        "!a",
        "a>=1.0-r1 b~2 /bin/sh",
        "a><Q1abc",
        "cmd:x<=1",
    ];
    for (number, text) in dependencies.iter().enumerate() {
        seed("dependency", &number.to_string(), text.as_bytes())?;
    }
    seed(
        "pem_key",
        "rsa-private",
        include_bytes!("../tests/keys/rsa.pkcs1.pem"),
    )?;
    seed(
        "pem_key",
        "rsa-public",
        include_bytes!("../tests/keys/rsa.pub.pem"),
    )?;
    seed(
        "pem_key",
        "dsa-public",
        include_bytes!("../tests/keys/dsa.1024.pub.pem"),
    )?;
    seed("pem_key", "rsa-der", key.public_key().as_der())?;
    seed(
        "pem_key",
        "rsa-signature",
        include_bytes!("../tests/keys/rsa.sha256.signature"),
    )
}

/// Writes one file into the folder of a target.
type Seed<'a> = dyn Fn(&str, &str, &[u8]) -> Result<(), Box<dyn Error>> + 'a;

/// Seeds for every layer of a v3 package.
fn v3_seeds(seed: &Seed<'_>, key: &SigningKey) -> Result<(), Box<dyn Error>> {
    let full = apk_testkit::v3::PackageBuilder::new("hello", "1.0-r0")
        .list(package::DEPENDS, &Dependency::parse_list("a b>1 !c")?)
        .tag("tag")
        .file("usr/bin/hello", b"hello")
        .file("usr/bin/empty", b"")
        .hard_link("usr/bin/hard", "usr/bin/hello")
        .symbolic_link("usr/bin/link", "hello")
        .character_device("dev/null", 0x103)
        .script(Script::PostInstall, "#!/bin/sh\n")
        .trigger("/usr/lib/*")
        .sign(key);
    for (name, compression) in [
        ("plain", Compression::None),
        ("deflate", Compression::Deflate),
        ("zstd", Compression::Zstd),
    ] {
        let file = full.clone().compression(compression).build()?;
        seed("v3_container", name, &file)?;
        seed("v3_package", name, &file)?;
        if let Some((_, blocks)) = file.split_at_checked(8)
            && compression == Compression::None
        {
            seed("v3_blocks", "blocks", blocks)?;
        }
    }
    let database = full.database()?;
    seed("v3_blocks", "database", &database)?;
    seed("v3_package", "database", &database)?;
    v3_signature_seeds(seed)
}

/// The signature blocks that apk wrote: by RSA and two elliptic curves in a package, by RSA in an index.
fn v3_signature_seeds(seed: &Seed<'_>) -> Result<(), Box<dyn Error>> {
    let package = include_bytes!("../tests/v3/package.apk").as_slice();
    let index = include_bytes!("../tests/v3/mkndx.adb");
    for (name, file) in [("package", package), ("index", index)] {
        let file = container::unpack(file, 1 << 20)?;
        let (_, blocks) = container::open(&file)?;
        for (number, block) in Blocks::new(blocks, 8).enumerate() {
            let block = block?;
            if block.kind == BlockKind::Signature {
                seed("v3_signature", &format!("{name}-{number}"), block.payload)?;
            }
        }
    }
    Ok(())
}
