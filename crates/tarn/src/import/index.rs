//! `tarn import index`: the packages of an existing repository, with the promise of its index kept.
//!
//! An index is verified by the keys that were given before anything of it is used. Each package passes a reader on its way to the
//! publishing service, and has to be what the index says that it is, or nothing of it is kept.

use std::{collections::HashSet, path::PathBuf};

use apk::{
    arch::Arch,
    limits::Limits,
    sign::{KeyName, PublicKey, SigningKey},
};
use futures_util::StreamExt as _;
use tarn_base::{
    names::{Branch, OwnerName, RepositoryName},
    secret::Secret,
};
use tarn_core::{Registry, index::Format, keys::Import};
use tarn_store::metadata::Owner;

use super::{
    checked::of_source,
    listing::{self, Listed},
    publishing::Run,
    report::Report,
    source::{Absent, Source},
};
use crate::{
    administration::BY,
    failure::Failure,
    inspect::TrustedKey,
    key, output,
    progress::Progress,
    remote::{
        ConnectArguments,
        retry::{Trouble, persist},
    },
};

/// The names of indexes. A repository may have one of each line; the second has v3 packages that the first can't list.
const INDEXES: [&[&str]; 2] = [&["APKINDEX.tar.gz"], &["Packages.adb", "packages.adb"]];

/// How often an index or a package is asked for again.
pub(super) const RETRIES: u32 = 5;

/// `tarn import index`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("trust").required(true).multiple(true)
    .args(["keys", "signing_key", "allow_untrusted"])))]
pub(crate) struct Arguments {
    /// The repository as it stands in /etc/apk/repositories, a folder that holds it, or an index file with the packages beside it
    #[arg(value_name = "URL|DIR")]
    source: String,
    /// The owner, a user or an organisation that is there
    #[arg(long)]
    owner: OwnerName,
    /// The branch, such as v3.23
    #[arg(long, value_parser = Branch::parse)]
    pub(super) branch: Branch,
    /// The repository, such as main
    #[arg(long, value_parser = RepositoryName::parse)]
    pub(super) repository: RepositoryName,
    /// A public key that clients of the repository trust, under its file name in /etc/apk/keys; may be given more than once
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<PathBuf>,
    /// Accept an index that no given key verifies
    #[arg(long, conflicts_with_all = ["keys", "signing_key"])]
    allow_untrusted: bool,
    /// The private key that signs the repository: the owner signs with it from now on, so clients need no other
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// The file name of its public half in /etc/apk/keys, such as you@example.org-5f3c.rsa.pub or feed.pem [default: FILE with .pub,
    /// when FILE ends in .rsa]
    #[arg(long, value_name = "NAME", value_parser = KeyName::parse, requires = "signing_key")]
    signing_key_name: Option<KeyName>,
    /// Only this architecture; may be given more than once [default: all that are there, of a server those of Alpine]
    #[arg(long = "arch", value_name = "ARCH", value_parser = Arch::parse)]
    archs: Vec<Arch>,
    /// Also import packages that an earlier import brought and that were since deleted here
    #[arg(long)]
    pub(super) again: bool,
    /// Read and check everything, and publish nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show no progress, only what went wrong
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// What the command line says, as far as that can be known before the registry is opened.
pub(super) struct Understood {
    pub(super) arguments: Arguments,
    pub(super) source: Source,
    index: Option<String>,
    keys: Option<Vec<TrustedKey>>,
    signing: Option<(KeyName, Secret, PublicKey)>,
}

impl Arguments {
    /// Reads the keys and takes the source apart.
    pub(super) fn understood(self) -> Result<Understood, Failure> {
        let (source, index) = Source::parse(&self.source, &self.connect)?;
        let signing = self.signing_key.as_deref().map(|path| {
            let name = match &self.signing_key_name {
                Some(name) => name.clone(),
                None => key::name_from(path)
                    .map_err(|failure| failure.hint("say it with `--signing-key-name`"))?,
            };
            let pem = key::read_pem(path)?;
            let public = SigningKey::from_pem(pem.expose().as_bytes())
                .map_err(|error| {
                    Failure::usage(format!("cannot sign with {}", path.display())).because(&error)
                })?
                .public_key()
                .clone();
            Ok::<_, Failure>((name, pem, public))
        });
        let signing = signing.transpose()?;
        let mut keys = self
            .keys
            .iter()
            .map(|path| TrustedKey::read(path))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some((name, _, public)) = &signing {
            keys.push(TrustedKey {
                name: name.clone(),
                key: public.clone(),
            });
        }
        let keys = (!self.allow_untrusted).then_some(keys);
        Ok(Understood {
            arguments: self,
            source,
            index,
            keys,
            signing,
        })
    }
}

/// Imports the repository.
pub(super) async fn run(understood: &Understood, registry: &Registry) -> Result<(), Failure> {
    let arguments = &understood.arguments;
    let owner = registry
        .administration()
        .accounts()
        .find_owner(&arguments.owner)
        .await?;
    let reading = match arguments.quiet {
        true => Progress::Quiet,
        false => Progress::Lines("reading"),
    };
    let indexes = indexes(understood, &reading).await?;
    let packages = indexes.iter().flat_map(|index| &index.packages);
    // What an index says of sizes can be anything.
    let bytes = packages
        .clone()
        .fold(0_u64, |sum, package| sum.saturating_add(package.size));
    let progress = Progress::new(arguments.quiet, "importing", packages.count(), bytes);
    if !arguments.dry_run {
        import_key(understood, registry, &owner).await?;
    }
    let run = Run::new(understood, registry, &owner, &progress);
    let mut report = Report::default();
    for index in &indexes {
        run.index(index, &mut report).await?;
    }
    progress.end();
    report.end(&progress, arguments.dry_run)
}

/// One index that was found and verified.
pub(super) struct Found {
    /// The folder it is in, from the source; empty for the source itself.
    pub(super) folder: String,
    pub(super) format: Format,
    pub(super) packages: Vec<Listed>,
}

/// Every index of the source. All are read before the first package is, so that a wrong key changes nothing.
async fn indexes(understood: &Understood, progress: &Progress) -> Result<Vec<Found>, Failure> {
    let Understood {
        arguments,
        source,
        index,
        keys,
        ..
    } = understood;
    let named = index.as_deref().map(|name| [name]);
    let (kinds, folders) = match &named {
        Some(named) => (vec![named.as_slice()], vec![String::new()]),
        None => (INDEXES.to_vec(), folders(arguments, source)?),
    };
    let mut found = Vec::new();
    let mut absent = Absent::default();
    for folder in folders {
        let mut listed = HashSet::new();
        for names in &kinds {
            let (path, bytes) = match first(source, &folder, names, progress).await? {
                Ok(found) => found,
                Err(nothing) => {
                    absent = nothing.or(absent);
                    continue;
                }
            };
            let mut packages = listing::read(&bytes, keys.as_deref())
                .map_err(|failure| failure.about(&source.shown(&path)))?;
            packages.retain(|package| listed.insert(package.hash));
            found.push(Found {
                folder: folder.clone(),
                format: listing::format_of(&bytes),
                packages,
            });
        }
    }
    if found.is_empty() {
        let failure = Failure::new(format!("there is no index at {}", source.shown("")));
        return Err(absent.explain(failure).hint("give the folder or URL above the architectures, and architectures that Alpine does not have with `--arch`; or name the index file itself"));
    }
    Ok(found)
}

/// The first of the files in that folder that is there, with its path.
async fn first(
    source: &Source,
    folder: &str,
    names: &[&str],
    progress: &Progress,
) -> Result<Result<(String, Vec<u8>), Absent>, Failure> {
    let mut absent = Absent::default();
    for name in names {
        let path = path(folder, name);
        match whole(source, &path, progress).await? {
            Ok(bytes) => return Ok(Ok((path, bytes))),
            Err(nothing) => absent = nothing.or(absent),
        }
    }
    Ok(Err(absent))
}

/// Where indexes may be: in the source itself, and in a folder for each architecture.
fn folders(arguments: &Arguments, source: &Source) -> Result<Vec<String>, Failure> {
    if !arguments.archs.is_empty() {
        return Ok(arguments.archs.iter().map(Arch::to_string).collect());
    }
    let mut folders = match source.folders()? {
        Some(names) => names,
        None => Arch::of_alpine().map(|arch| arch.to_string()).collect(),
    };
    folders.retain(|name| Arch::parse(name).is_ok());
    folders.insert(0, String::new());
    Ok(folders)
}

pub(super) fn path(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// The whole of an index; `None` where there is none.
async fn whole(
    source: &Source,
    path: &str,
    progress: &Progress,
) -> Result<Result<Vec<u8>, Absent>, Failure> {
    let limit = Limits::default().index;
    let attempt = async || {
        let mut content = match source.open(path).await? {
            Ok(content) => content,
            Err(absent) => return Ok(Err(absent)),
        };
        let mut bytes = Vec::new();
        while let Some(piece) = content.next().await {
            bytes.extend_from_slice(&piece.map_err(of_source)?);
            if bytes.len() as u64 > limit {
                let what = format!("it has more than {limit} bytes, too many for an index");
                return Err(Trouble::Final(Failure::refused(what)));
            }
        }
        Ok(Ok(bytes))
    };
    let note = |text: &str| progress.note(&format!("{path}: {text}"));
    persist(RETRIES, attempt, note)
        .await
        .map_err(|trouble| trouble.into_failure().about(&source.shown(path)))
}

/// Has the owner sign with the key of the repository, unless it does.
async fn import_key(
    understood: &Understood,
    registry: &Registry,
    owner: &Owner,
) -> Result<(), Failure> {
    let Some((name, pem, public)) = &understood.signing else {
        return Ok(());
    };
    let keys = registry.keys().list(owner).await?;
    let fingerprint = public.fingerprint().to_hex();
    if keys.iter().any(|key| key.fingerprint == fingerprint) {
        return Ok(());
    }
    // An owner who signs already has clients who trust that key.
    let others = match keys.is_empty() {
        true => Import::Instead,
        false => Import::Beside,
    };
    let name = Some(name.clone());
    let key = registry
        .keys()
        .import(owner, pem, name, others, &BY)
        .await?;
    output::note(&format!(
        "{} signs the indexes of {} from now on",
        key.name, owner.name
    ));
    Ok(())
}
