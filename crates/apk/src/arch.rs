//! Architecture names.

use std::fmt;

use thiserror::Error;

use crate::quoted::Quoted;

/// The longest architecture name, in bytes.
///
/// It is a part of the grammar rather than one of the [`Limits`](crate::limits::Limits): the header of an index
/// record must have room for the name of any architecture, as a `noarch` package is listed in all of them.
pub const LONGEST_ARCH: usize = 64;

/// What Alpine has been built for (its ports since 3.0), `noarch` left out.
const ALPINE: [&str; 10] = [
    "aarch64",
    "armhf",
    "armv7",
    "loongarch64",
    "mips64",
    "ppc64le",
    "riscv64",
    "s390x",
    "x86",
    "x86_64",
];

/// What OpenWrt has been built for: the folders below `packages/` of its releases 17.01 to 25.12, those left out that Alpine has.
const OPENWRT: [&str; 51] = [
    "aarch64_armv8-a",
    "aarch64_cortex-a53",
    "aarch64_cortex-a72",
    "aarch64_cortex-a76",
    "aarch64_generic",
    "arc_arc700",
    "arc_archs",
    "arm_arm1176jzf-s_vfp",
    "arm_arm926ej-s",
    "arm_cortex-a15_neon-vfpv4",
    "arm_cortex-a5",
    "arm_cortex-a53_neon-vfpv4",
    "arm_cortex-a5_neon-vfpv4",
    "arm_cortex-a5_vfpv4",
    "arm_cortex-a7",
    "arm_cortex-a7_neon-vfpv4",
    "arm_cortex-a7_vfpv4",
    "arm_cortex-a8_neon",
    "arm_cortex-a8_vfpv3",
    "arm_cortex-a9",
    "arm_cortex-a9_neon",
    "arm_cortex-a9_vfpv3",
    "arm_cortex-a9_vfpv3-d16",
    "arm_fa526",
    "arm_mpcore",
    "arm_mpcore_vfp",
    "arm_xscale",
    "armeb_xscale",
    "i386_geode",
    "i386_i486",
    "i386_pentium",
    "i386_pentium-mmx",
    "i386_pentium4",
    "loongarch64_generic",
    "mips64_mips64r2",
    "mips64_octeon",
    "mips64_octeonplus",
    "mips64el_mips64r2",
    "mips_24kc",
    "mips_4kec",
    "mips_mips32",
    "mipsel_24kc",
    "mipsel_24kc_24kf",
    "mipsel_74kc",
    "mipsel_mips32",
    "powerpc64_e5500",
    "powerpc_464fp",
    "powerpc_8540",
    "powerpc_8548",
    "riscv64_generic",
    "riscv64_riscv64",
];

/// The architecture of a package, or of a folder of packages in a repository.
///
/// The grammar is `[a-z0-9][a-z0-9_.-]{0,63}`. It holds every name in apk-tools' `src/apk_arch.h`, with or without
/// the vendor's prefix that `APK_CONFIG_ARCH_PREFIX` puts before it, and OpenWrt's longer ones
/// (`arm_cortex-a7_neon-vfpv4`). Upper case is refused: no architecture has it, apk compares the name byte by byte, and the name
/// is a folder in a URL, where `X86_64` beside `x86_64` would be one folder to some stores and two to others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch(String);

/// Why a text is not an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArchError {
    /// No text at all.
    #[error(
        "the architecture is empty: write for example `x86_64`, or `noarch` for a package that fits all"
    )]
    Empty,
    /// More than [`LONGEST_ARCH`] bytes.
    #[error("the architecture is {length} bytes long: shorten it to {LONGEST_ARCH} bytes or less")]
    TooLong {
        /// Bytes found.
        length: usize,
    },
    /// The first character is none an architecture may start with.
    #[error("{arch} is not an architecture: start it with a lower-case letter or a digit")]
    Start {
        /// The text found.
        arch: Quoted,
    },
    /// What others call an architecture: no apk asks for it.
    #[error("{arch} is not what apk calls it: write `{name}`")]
    Foreign {
        /// The text found.
        arch: Quoted,
        /// apk's name.
        name: &'static str,
    },
    /// A character that no architecture may have.
    #[error(
        "{arch} is not an architecture: use only lower-case letters, digits, `_`, `.` and `-`, as in `x86_64`"
    )]
    Character {
        /// The text found.
        arch: Quoted,
    },
}

/// apk's name for what Go, Debian and the Linux kernel call an architecture, where apk has no other of that name
/// (`src/apk_arch.h`).
fn apk_name(arch: &str) -> Option<&'static str> {
    Some(match arch {
        "amd64" | "amd64v1" | "amd64v2" | "amd64v3" | "amd64v4" | "x64" | "x86-64" => "x86_64",
        "386" | "i386" | "i486" | "i586" | "i686" => "x86",
        "arm64" | "arm64v8" | "armv8" => "aarch64",
        "arm6" | "armv6" | "armv6l" => "armhf",
        "arm7" | "armv7l" => "armv7",
        "ppc64el" => "ppc64le",
        "mipsle" => "mipsel",
        "mips64le" => "mips64el",
        "loong64" => "loongarch64",
        "any" | "all" => "noarch",
        _ => return None,
    })
}

impl Arch {
    /// Reads the name of an architecture.
    ///
    /// # Errors
    ///
    /// [`ArchError`] when the text does not follow the grammar above.
    pub fn parse(text: &str) -> Result<Self, ArchError> {
        let Some(first) = text.chars().next() else {
            return Err(ArchError::Empty);
        };
        if text.len() > LONGEST_ARCH {
            return Err(ArchError::TooLong { length: text.len() });
        }
        if !text.chars().all(is_arch_character) {
            return Err(ArchError::Character {
                arch: Quoted::new(text),
            });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(ArchError::Start {
                arch: Quoted::new(text),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the architecture that a package says it is for. A name that another system has for one of apk's is refused:
    /// apk would never ask for the index that lists the package.
    ///
    /// # Errors
    ///
    /// [`ArchError`] when the text does not follow the grammar above, or is such a name.
    pub fn parse_of_package(text: &str) -> Result<Self, ArchError> {
        match apk_name(text) {
            Some(name) => Err(ArchError::Foreign {
                arch: Quoted::new(text),
                name,
            }),
            None => Self::parse(text),
        }
    }

    /// `noarch`: a package that fits every architecture.
    #[must_use]
    pub fn noarch() -> Self {
        Self("noarch".to_owned())
    }

    /// Whether this is `noarch`.
    #[must_use]
    pub fn is_noarch(&self) -> bool {
        self.0 == "noarch"
    }

    /// Those that Alpine has been built for.
    pub fn of_alpine() -> impl Iterator<Item = Self> {
        ALPINE.iter().map(|name| Self((*name).to_owned()))
    }

    /// Whether Alpine or OpenWrt is or was built for it, in some release.
    #[must_use]
    pub fn is_of_a_distribution(&self) -> bool {
        ALPINE.contains(&self.as_str()) || OPENWRT.contains(&self.as_str())
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_arch_character(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '_' | '.' | '-')
}

impl fmt::Display for Arch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{ALPINE, Arch, OPENWRT};

    #[test]
    fn every_architecture_of_a_distribution_can_be_written() {
        for name in ALPINE.iter().chain(&OPENWRT) {
            assert!(Arch::parse(name).unwrap().is_of_a_distribution(), "{name}");
        }
        for other in ["noarch", "amd64", "invented"] {
            assert!(!Arch::parse(other).unwrap().is_of_a_distribution());
        }
        assert!(OPENWRT.is_sorted() && ALPINE.is_sorted());
    }

    #[test]
    fn accepts_what_apk_and_openwrt_use() {
        for arch in [
            "x86_64",
            "x86",
            "ppc64le",
            "armhf",
            "armv7",
            "aarch64",
            "aarch64_be",
            "s390x",
            "mips64el",
            "riscv64",
            "loongarchx32",
            "arc700",
            "sh2eb",
            "wasi32",
            "noarch",
            "aarch64_cortex-a53",
            "arm_cortex-a7_neon-vfpv4",
            "arm_cortex-a9_vfpv3-d16",
            "i386_pentium-mmx",
            "mipsel_24kc_24kf",
            "powerpc_8548",
            "vendor-x86_64",
        ] {
            assert_eq!(Arch::parse(arch).unwrap().as_str(), arch);
        }
    }

    #[test]
    fn knows_noarch() {
        assert!(Arch::parse("noarch").unwrap().is_noarch());
        assert_eq!(Arch::noarch(), Arch::parse("noarch").unwrap());
        assert!(!Arch::parse("x86_64").unwrap().is_noarch());
    }

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        let long = "x".repeat(65);
        for (arch, message) in [
            (
                "",
                "the architecture is empty: write for example `x86_64`, or `noarch` for a package that fits all",
            ),
            (
                long.as_str(),
                "the architecture is 65 bytes long: shorten it to 64 bytes or less",
            ),
            (
                "..",
                "`..` is not an architecture: start it with a lower-case letter or a digit",
            ),
            (
                "X86_64",
                "`X86_64` is not an architecture: use only lower-case letters, digits, `_`, `.` and `-`, as in `x86_64`",
            ),
            (
                "x86/64",
                "`x86/64` is not an architecture: use only lower-case letters, digits, `_`, `.` and `-`, as in `x86_64`",
            ),
            (
                "x86_64 ",
                "`x86_64 ` is not an architecture: use only lower-case letters, digits, `_`, `.` and `-`, as in `x86_64`",
            ),
        ] {
            assert_eq!(Arch::parse(arch).unwrap_err().to_string(), message);
        }
        assert!(Arch::parse(&"x".repeat(64)).is_ok());
    }
}
