//! Why bytes are no package.

use std::fmt;

use thiserror::Error;

use crate::{
    digest::Sha256Digest,
    quoted::Quoted,
    v2::{gzip::GzipError, pkginfo::PkginfoError, signature::SignatureError, tar::TarError},
};

/// The parts of a package, named in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The first, when it is not known yet whether it is a signature or a control section.
    First,
    /// Signatures over the control section.
    Signature,
    /// `.PKGINFO` and the scripts.
    Control,
    /// The files.
    Data,
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::First => "the first section",
            Self::Signature => "the signature section",
            Self::Control => "the control section",
            Self::Data => "the data section",
        })
    }
}

/// Why bytes are no package that apk would install.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Not one byte.
    #[error("the file is empty; send an .apk")]
    Empty,
    /// Neither gzip nor anything else known.
    #[error(
        "this is not an .apk: it begins neither with gzip data nor with ADB; build one with `abuild`, `melange` or `apk mkpkg`"
    )]
    NotAPackage,
    /// Markup, which is what a failed download leaves.
    #[error(
        "this is not an .apk but an HTML or XML page; was it downloaded from a wrong address, or behind a login?"
    )]
    Markup,
    /// `!<arch>` in front, or `debian-binary` in it.
    #[error(
        "this is a package of Debian or of opkg (.deb, .ipk), and apk installs neither; build an .apk with `abuild`, `melange` or `nfpm package --packager apk`"
    )]
    OtherPackage,
    /// gzip around something that is no tar.
    #[error("this is not an .apk: the gzip data holds no tar archive")]
    NotTar,
    /// A gzip member is broken.
    #[error("{section}: {problem}")]
    Gzip {
        /// Where.
        section: Section,
        /// What is wrong.
        problem: GzipError,
    },
    /// A tar archive is broken.
    #[error("{section}: {problem}")]
    Tar {
        /// Where.
        section: Section,
        /// What is wrong.
        problem: TarError,
    },
    /// A section or a file in it is over its limit.
    #[error("{section} is over the limit of {limit} bytes")]
    SectionTooLarge {
        /// Which.
        section: Section,
        /// The limit in bytes, compressed or not.
        limit: u64,
    },
    /// A gzip member without entries where signatures or `.PKGINFO` must be.
    #[error("{0} is empty")]
    EmptySection(Section),
    /// The signature section is broken.
    #[error("the signature section: {0}")]
    Signature(#[from] SignatureError),
    /// A name that cannot stand in the control section.
    #[error(
        "the control section holds {name}; only `.PKGINFO`, scripts and other names with a dot in front and no slash may stand there (is this a plain tar.gz or an index?)"
    )]
    ControlName {
        /// The entry.
        name: Quoted,
    },
    /// `.PKGINFO` or a script that is a link, a directory, …
    #[error("{name} in the control section is not a regular file")]
    ControlNotAFile {
        /// The entry.
        name: Quoted,
    },
    /// The same file twice.
    #[error("{name} is in the control section twice")]
    ControlTwice {
        /// The entry.
        name: Quoted,
    },
    /// `.INSTALL`, which apk refuses.
    #[error(
        "the control section holds `.INSTALL`, a script of apk v1 that apk refuses; use `.pre-install` and `.post-install`"
    )]
    InstallScript,
    /// A script over [`crate::limits::Limits::script`].
    #[error(
        "{name} in the control section is {size} bytes long, and apk 3 runs no script over {limit} bytes; make it shorter, or let it call a file of the package"
    )]
    ScriptTooLarge {
        /// The entry.
        name: Quoted,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// No `.PKGINFO`.
    #[error("the control section has no `.PKGINFO`; build the package with `abuild` or `melange`")]
    NoPkginfo,
    /// `.PKGINFO` itself is wrong.
    #[error(".PKGINFO: {0}")]
    Pkginfo(#[from] PkginfoError),
    /// The file ends after the control section.
    #[error("the data section is missing; the file is truncated")]
    NoData,
    /// SHA-256 differs.
    #[error(
        "datahash in .PKGINFO is {expected}, but the data section's SHA-256 is {found}; the file is damaged, or was changed after it was built"
    )]
    DataHash {
        /// What `.PKGINFO` says.
        expected: Sha256Digest,
        /// What the bytes are.
        found: Sha256Digest,
    },
    /// A file, symbolic link or device whose pax header has no `APK-TOOLS.checksum.SHA1`.
    #[error(
        "the data section: {name} has no checksum (pax header APK-TOOLS.checksum.SHA1), and apk does not install it without an error; build the package with `abuild` or `melange`, or pipe the tar through `abuild-tar --hash`"
    )]
    NoChecksum {
        /// The path.
        name: Quoted,
    },
    /// A file without an entry for its directory before it.
    #[error(
        "the data section: no entry for the directory of {name} comes before it, and apk leaves such files out; put every directory into the tar, in front of what is in it, as `abuild` and `melange` do"
    )]
    NoDirectory {
        /// The path.
        name: Quoted,
    },
    /// A file whose bytes are not those that its checksum was made of.
    #[error(
        "the data section: {name} does not match its checksum (pax header APK-TOOLS.checksum.SHA1), so apk would take it for changed by hand, and keep it at the next upgrade; make the checksums after the last change of the files"
    )]
    WrongChecksum {
        /// The path.
        name: Quoted,
    },
    /// `.PKGINFO` or a script where files stand.
    #[error(
        "the data section holds {name}, which apk 2.10 reads or runs as if it stood in the control section, and later ones leave out; take it out, scripts belong in the control section"
    )]
    ControlInData {
        /// The path.
        name: Quoted,
    },
    /// Two entries of one path, and not both are directories.
    #[error(
        "the data section: {name} is in it twice, and no apk installs that; leave one of the entries"
    )]
    PathTwice {
        /// The path.
        name: Quoted,
    },
    /// An entry where a directory is, or has to be.
    #[error(
        "the data section: {name} is a directory and something else, and no apk installs that; leave one of the entries"
    )]
    FileAndDirectory {
        /// The path.
        name: Quoted,
    },
    /// A hard link to what is not there yet.
    #[error(
        "the data section: {name} is a hard link to {target}, and no file of that path comes before it, so no apk installs it; put the file in front of the link, or store a copy of it"
    )]
    NoHardLinkTarget {
        /// The path of the link.
        name: Quoted,
        /// Where it points to.
        target: Quoted,
    },
    /// A hard link to a symbolic link.
    #[error(
        "the data section: {name} is a hard link to {target}, which is a symbolic link, and no apk 2 installs that without an error; make it a symbolic link, too"
    )]
    HardLinkToLink {
        /// The path of the hard link.
        name: Quoted,
        /// The path of the symbolic link.
        target: Quoted,
    },
    /// Over [`crate::limits::Limits::paths`].
    #[error("the data section has more than {limit} paths; split the package")]
    TooManyPaths {
        /// The limit.
        limit: usize,
    },
    /// `size = 0`, and files or scripts.
    #[error(
        "size in .PKGINFO is 0, but the package has files or scripts, and apk would skip them; set size to the bytes the files take, at least 1"
    )]
    NoInstalledSize,
    /// Bytes after the data section.
    #[error("bytes follow the data section, and apk refuses that; upload the file as it was built")]
    TrailingData,
}

impl PackageError {
    /// See [`crate::package::PackageError::is_over_limit`].
    pub const fn is_over_limit(&self) -> bool {
        match self {
            Self::SectionTooLarge { .. } | Self::TooManyPaths { .. } => true,
            Self::Tar { problem, .. } => matches!(
                problem,
                TarError::ExtendedTooLong { .. } | TarError::TooManyEntries { .. }
            ),
            Self::Pkginfo(PkginfoError::TooLarge { .. }) => true,
            Self::Pkginfo(PkginfoError::Facts(facts)) => facts.is_over_limit(),
            _ => false,
        }
    }
}
