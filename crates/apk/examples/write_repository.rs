//! Writes a small signed repository into a folder, to try a real apk on:
//!
//! ```text
//! cargo run -p apk --example write_repository -- FOLDER
//! apk --keys-dir FOLDER/keys --repositories-file FOLDER/repositories …
//! ```

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs, path::Path};

use apk::{
    arch::Arch,
    limits::Limits,
    sign::{KeyName, KeySize, SigningKey},
    v2::{
        index::{self, Description},
        package::{PackageReader, Script},
        record,
    },
};
use apk_testkit::v2::PackageBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: write_repository FOLDER")?;
    let folder = Path::new(&folder);
    let arch = Arch::parse("x86_64")?;
    let key = SigningKey::generate(KeySize::Rsa4096)?;
    let other = SigningKey::generate(KeySize::Rsa2048)?;
    // Longer than a tar header takes, as an owner's name before a whole fingerprint is.
    let fingerprint = key.public_key().fingerprint();
    let name = KeyName::parse(&format!(
        "an-owner-with-a-rather-long-name@{fingerprint}.rsa.pub"
    ))?;
    let other_name = KeyName::parse("unknown@nowhere.rsa.pub")?;
    fs::create_dir_all(folder.join("keys"))?;
    fs::create_dir_all(folder.join("repository/x86_64"))?;
    fs::write(
        folder.join("keys").join(name.as_str()),
        key.public_key().to_pem(),
    )?;
    fs::write(
        folder.join("repositories"),
        format!("{}/repository\n", fs::canonicalize(folder)?.display()),
    )?;

    let long_path = format!("usr/share/{}/{}", "d".repeat(90), "f".repeat(120));
    let packages = [
        PackageBuilder::new("hello", "1.0-r0")
            .file("usr/bin/hello", b"#!/bin/sh\necho hello\n")
            .file(&long_path, b"deep down\n")
            .symbolic_link("usr/bin/hallo", "hello")
            .script(Script::PostInstall, "#!/bin/sh\nexit 0\n")
            .field("depend", "hello-data>=1.0"),
        PackageBuilder::new("hello-data", "1.0_rc1-r2")
            .random_file("usr/share/hello/data", 3_000_000),
        PackageBuilder::new("hello-data", "1.1-r0").random_file("usr/share/hello/data", 1),
        PackageBuilder::new("hello-meta", "1.0-r0")
            .arch("noarch")
            .no_files()
            .field("depend", "hello"),
        PackageBuilder::new("hello-signed", "1.0-r0")
            .sign(&other_name, &other)
            .sign(&name, &key),
        PackageBuilder::new("hello-signed-512", "1.0-r0").sign_rsa512(&name, &key),
    ];
    let mut records = Vec::new();
    for builder in packages {
        let bytes = builder.build();
        let mut reader = PackageReader::new(Limits::default());
        reader.push(&bytes)?;
        let package = reader.finish()?;
        let file = package.facts.file_name();
        fs::write(folder.join("repository/x86_64").join(&file), &bytes)?;
        records.push(record::render(
            &package.facts,
            &package.identity,
            package.size,
            &arch,
        ));
    }
    let description = Description::parse("A repository to try")?;
    let unsigned = index::write(records.iter().map(String::as_str), &description, 0, 9);
    let signature = index::sign_index(&unsigned, &[(&other_name, &other), (&name, &key)])?;
    let signed = [signature, unsigned].concat();
    let read = index::read(
        &signed,
        &Limits::default(),
        &[(name, key.public_key().clone())],
    )?;
    fs::write(folder.join("repository/x86_64/APKINDEX.tar.gz"), &signed)?;
    println!(
        "{} records, signed by {:?}",
        read.records.len(),
        read.summary.signer.map(|name| name.to_string())
    );
    Ok(())
}
