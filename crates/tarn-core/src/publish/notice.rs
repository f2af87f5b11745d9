//! What is said about a package that is taken.

use apk::facts::{Format, PackageFacts};

/// What the publisher of a package should know although it is taken: one line. `None`: nothing.
pub(super) fn notice(facts: &PackageFacts) -> Option<String> {
    let (name, version) = (&facts.name, &facts.version);
    if version.is_orderable() {
        // No apk 2 reads a v3 package.
        let for_apk_3_only = version.as_str().contains('~') && facts.format != Format::V3;
        return for_apk_3_only.then(|| {
            format!(
                "{name} is published, but only apk 3 can order its version `{version}`: clients with apk 2 may not upgrade to it or from it"
            )
        });
    }
    let instead = version.suggestion().map_or_else(String::new, |instead| {
        format!("; write `{instead}` instead")
    });
    let apk_2 = match facts.format {
        Format::V2 { .. } => "apk 2 may prefer it to the final release, ",
        Format::V3 => "",
    };
    Some(format!(
        "{name} is published, but apk can't order its version `{version}`: {apk_2}clients may not upgrade to it or from it, and can't ask for it by its version{instead}"
    ))
}

#[cfg(test)]
mod tests {
    use apk::{
        arch::Arch, digest::Sha256Digest, limits::Limits, name::PackageName, version::Version,
    };

    use super::*;

    const V2: Format = Format::V2 {
        data_hash: Sha256Digest::from_bytes([7; 32]),
    };

    /// What is said of that version.
    fn said(format: Format, version: &str) -> String {
        let facts = PackageFacts::new(
            format,
            PackageName::parse("hello").unwrap(),
            Version::parse_lenient(version, &Limits::default()).unwrap(),
            Arch::noarch(),
        );
        notice(&facts).unwrap_or_default()
    }

    #[test]
    fn it_says_which_clients_cannot_order_a_version() {
        for format in [V2, Format::V3] {
            assert_eq!(said(format, "1.0_rc1-r0"), "");
            assert!(said(format, "1.0-rc.1").contains("apk can't order its version `1.0-rc.1`"));
        }
        // Versions with a commit came with apk 3, which is also the first to read v3 packages.
        assert!(said(V2, "1.0~abc-r0").contains("only apk 3 can order its version `1.0~abc-r0`"));
        assert_eq!(said(Format::V3, "1.0~abc-r0"), "");
    }
}
