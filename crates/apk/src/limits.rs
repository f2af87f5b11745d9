//! How large the parts of a package or an index may grow before they are refused.

/// The bounds every reader of this crate works under. All sizes are in bytes.
///
/// The defaults are for production. Tests use [`Limits::tiny`], so that the edges are cheap to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All signature members of a package or index together, compressed and uncompressed.
    pub signature_section: u64,
    /// One `.SIGN.*` entry. apk ignores larger ones (`apk-tools` `src/extract_v2.c`, `apk_sign_ctx_process_file`).
    pub signature_entry: u64,
    /// The control section of a package, compressed and uncompressed.
    pub control_section: u64,
    /// `.PKGINFO`.
    pub pkginfo: u64,
    /// A script of the control section. apk 3 runs no larger one, and says nothing (`src/package.c`,
    /// `apk_ipkg_add_script`).
    pub script: u64,
    /// The data section of a package, uncompressed. Its compressed size is bounded by the caller, who receives the bytes.
    pub data_section: u64,
    /// Entries of the data section's tar archive.
    pub data_entries: u64,
    /// Paths of them that are remembered, to know one that comes twice: every directory, and every file outside the
    /// entries with a dot in front. Each costs 10 to 30 bytes of memory until the package is read.
    pub paths: usize,
    /// One path or link target in a tar header (`PATH_MAX - 10` in `src/tar.c`).
    pub path: usize,
    /// One pax extended header.
    pub pax_header: u64,
    /// One line of an index record, the line feed included. apk reads an index through a buffer of 128 KiB, of which
    /// apk 3 may lose 7 bytes in front, and gives the whole index up when a line does not fit (`src/io.c`,
    /// `apk_io_bufsize` and `APK_ISTREAM_ALIGN_SYNC`). The buffer has this size since apk 2.12.2.
    pub index_line: usize,
    /// The lines `C:` to `k:` of an index record together. apk writes them through one buffer when it records an
    /// installed package (`src/package.c`, `apk_pkg_write_index_header`). The buffer has this size since apk 2.12.11.
    pub index_header: usize,
    /// An index record, with its last line feed. apk has no bound on it but those on its lines; every reader of an index pays for
    /// each.
    pub index_record: usize,
    /// Entries of all the lists of a package together: `depend`, `provides`, `install_if`, `replaces`, and of v3 `recommends` and
    /// `tags`. Each is an object in memory wherever an index is read, however short it is.
    pub dependencies: usize,
    /// One dependency as written, e.g. `so:libc.musl-x86_64.so.1=1` (`src/package.c`, `apk_deps_write_layer`).
    pub dependency: usize,
    /// A package name.
    pub name: usize,
    /// A package version.
    pub version: usize,
    /// Whether `pkgver` may be a version that apk carries and can't order ([`crate::version::Version::parse_lenient`]).
    pub lenient_versions: bool,
    /// A name and a version together. `NAME-VERSION.post-deinstall` is the longest file that apk names after them
    /// (`src/package.c`, `apk_ipkg_run_script`), and a file system takes names of 255 bytes. In apk's cache the file of the package is
    /// shorter: nine bytes go before `.apk` (`src/context.c`, `apk_ctx_init`).
    pub name_and_version: usize,
    /// The ADB block of a v3 package, which is held in memory while the package is read. apk has no bound on it.
    pub database: u64,
    /// What the ADB block of a v3 package says, spelled out: its paths above all, some 200 bytes each. It takes so much memory where
    /// the paths are wanted, and time in proportion to it everywhere.
    pub database_spelled_out: u64,
    /// How much memory the reader of a v3 package may take for the ADB block before it asks a [`crate::memory::Memory`] for more. Of 5,600 packages of OpenWrt feeds the largest ADB block has 9 KB.
    pub package_memory: u64,
    /// The window of zstd in a v3 package. The levels up to 19 ask for 8 MiB at most, the levels 20 to 22 for 32, 64 and 128 MiB. zstd,
    /// and so apk, takes no larger one (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`; `src/io_zstd.c` sets no other limit). The memory for it comes
    /// from a [`crate::memory::Memory`].
    pub zstd_window: u64,
    /// A whole uncompressed index.
    pub index: u64,
    /// Records in an index.
    pub index_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            signature_section: 256 << 10,
            signature_entry: 64 << 10,
            control_section: 8 << 20,
            pkginfo: 512 << 10,
            script: 256 << 10,
            data_section: 64 << 30,
            data_entries: 4_000_000,
            paths: 1 << 20,
            path: 4096 - 10 - 1,
            pax_header: 256 << 10,
            index_line: (128 << 10) - 8,
            index_header: 2048 - 1,
            index_record: 128 << 10,
            dependencies: 8_192,
            dependency: 256 - 1,
            name: 128,
            version: 128,
            lenient_versions: false,
            name_and_version: 255 - "-.post-deinstall".len(),
            database: 16 << 20,
            database_spelled_out: 64 << 20,
            package_memory: 512 << 10,
            zstd_window: 128 << 20,
            index: 2 << 30,
            index_records: 4_000_000,
        }
    }
}

impl Limits {
    /// The same bounds, with or without versions that apk can't order.
    #[must_use]
    pub fn with_lenient_versions(&self, lenient: bool) -> Self {
        Self {
            lenient_versions: lenient,
            ..self.clone()
        }
    }

    /// The bounds for what was taken in before: whatever the rules are now, it may have a version that apk can't order, and
    /// longer names.
    #[must_use]
    pub fn for_stored() -> Self {
        Self {
            lenient_versions: true,
            name: usize::MAX,
            version: usize::MAX,
            dependency: usize::MAX,
            ..Self::default()
        }
    }

    /// Bounds small enough for a test to cross each of them.
    pub fn tiny() -> Self {
        Self {
            signature_section: 4 << 10,
            signature_entry: 1 << 10,
            control_section: 16 << 10,
            pkginfo: 4 << 10,
            script: 2 << 10,
            data_section: 64 << 10,
            data_entries: 16,
            paths: 8,
            path: 128,
            pax_header: 1 << 10,
            index_line: 256,
            index_header: 512,
            index_record: 1 << 10,
            dependencies: 64,
            dependency: 64,
            name: 32,
            version: 32,
            lenient_versions: false,
            name_and_version: 48,
            database: 8 << 10,
            database_spelled_out: 32 << 10,
            package_memory: 2 << 10,
            zstd_window: 8 << 20,
            index: 64 << 10,
            index_records: 16,
        }
    }
}
