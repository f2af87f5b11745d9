//! What stands before the data section: signatures, `.PKGINFO`, scripts.

use super::{PackageError, Script, Section};
use crate::{
    facts::PackageFacts,
    limits::Limits,
    quoted::Quoted,
    v2::{
        pkginfo::{self, PkginfoError},
        signature::{Collector, SignatureError, is_signature_entry},
        tar::{Entry, EntryKind, Event, TarError},
    },
};

/// What a tar entry can be refused for.
pub(super) enum Fault {
    Tar(TarError),
    Package(PackageError),
}

impl From<TarError> for Fault {
    fn from(error: TarError) -> Self {
        Self::Tar(error)
    }
}

impl From<PackageError> for Fault {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

impl From<SignatureError> for Fault {
    fn from(error: SignatureError) -> Self {
        Self::Package(error.into())
    }
}

/// The entries before the data section.
#[derive(Debug)]
pub(super) struct Contents {
    limits: Limits,
    pub(super) section: Section,
    pub(super) signatures: Collector,
    pub(super) scripts: Vec<Script>,
    pkginfo: Option<Vec<u8>>,
    /// What `.PKGINFO` says.
    pub(super) facts: Option<PackageFacts>,
}

impl Contents {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            section: Section::First,
            signatures: Collector::new(limits),
            scripts: Vec::new(),
            pkginfo: None,
            facts: None,
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Entry(entry) => {
                if self.section == Section::First {
                    let is_signature = is_signature_entry(&entry.name);
                    self.section = if is_signature {
                        Section::Signature
                    } else {
                        Section::Control
                    };
                }
                if self.section == Section::Signature {
                    self.signatures.entry(entry)?;
                } else {
                    self.control_entry(entry)?;
                }
            }
            Event::Content(content) if self.section == Section::Signature => {
                self.signatures.content(content);
            }
            Event::Content(content) => {
                if let Some(pkginfo) = &mut self.pkginfo {
                    pkginfo.extend_from_slice(content);
                }
            }
            Event::EntryEnd if self.section == Section::Signature => self.signatures.entry_end(),
            Event::EntryEnd => {
                if let Some(text) = self.pkginfo.take() {
                    let facts = pkginfo::parse(&text, &self.limits).map_err(PackageError::from)?;
                    self.facts = Some(facts);
                }
            }
        }
        Ok(())
    }

    /// Takes an entry of the control section. Names apk does not know, e.g. `.melange.yaml`, are read over as apk does.
    fn control_entry(&mut self, entry: &Entry) -> Result<(), PackageError> {
        let name = || Quoted::new(&entry.name);
        if entry.name == b"debian-binary" {
            return Err(PackageError::OtherPackage);
        }
        if !entry.name.starts_with(b".") || entry.name.contains(&b'/') {
            return Err(PackageError::ControlName { name: name() });
        }
        if entry.name == b".INSTALL" {
            return Err(PackageError::InstallScript);
        }
        let is_pkginfo = entry.name == b".PKGINFO";
        let script = Script::from_entry_name(&entry.name);
        if !is_pkginfo && script.is_none() {
            return Ok(());
        }
        if entry.kind != EntryKind::File {
            return Err(PackageError::ControlNotAFile { name: name() });
        }
        let size = entry.size;
        if is_pkginfo && size > self.limits.pkginfo {
            let limit = self.limits.pkginfo;
            return Err(PkginfoError::TooLarge { limit }.into());
        }
        if !is_pkginfo && size > self.limits.script {
            return Err(PackageError::ScriptTooLarge {
                name: name(),
                size,
                limit: self.limits.script,
            });
        }
        let is_known = if is_pkginfo {
            self.facts.is_some()
        } else {
            script.is_some_and(|script| self.scripts.contains(&script))
        };
        if is_known {
            return Err(PackageError::ControlTwice { name: name() });
        }
        self.scripts.extend(script);
        if is_pkginfo {
            self.pkginfo = Some(Vec::new());
        }
        Ok(())
    }
}
