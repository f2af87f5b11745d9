//! What facts of either format are refused for, in the words of that format.

use super::*;
use crate::digest::Sha256Digest;

const V2: Format = Format::V2 {
    data_hash: Sha256Digest::from_bytes([0; 32]),
};

fn facts(format: Format) -> PackageFacts {
    PackageFacts::new(
        format,
        PackageName::parse("hello").unwrap(),
        Version::parse("1.0-r0").unwrap(),
        Arch::parse("x86_64").unwrap(),
    )
}

fn list(text: &str) -> Vec<Dependency> {
    Dependency::parse_list(text).unwrap()
}

/// The text of the refusal, of v2 and of v3.
fn refused(change: impl Fn(&mut PackageFacts)) -> [String; 2] {
    [V2, Format::V3].map(|format| {
        let mut facts = facts(format);
        change(&mut facts);
        match facts.check(&Limits::tiny()) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    })
}

#[test]
fn both_formats_are_refused_in_the_same_words() {
    let long = "x".repeat(600);
    for (text, fields, given) in [
        (
            "`!a` is nothing a package can provide",
            ["provides", "provides"],
            refused(|facts| facts.provides = list("!a")),
        ),
        (
            "`hello=2` is the package itself",
            ["provides", "provides"],
            refused(|facts| facts.provides = list("hello=2")),
        ),
        (
            "`a=1` and `a` are one name",
            ["provides", "provides"],
            refused(|facts| facts.provides = list("a=1 a")),
        ),
        (
            "`hello>2` asks for another version of the package itself",
            ["depend", "depends"],
            refused(|facts| facts.depends = list("hello>2")),
        ),
        (
            "the values of the package make",
            ["pkgdesc", "description"],
            refused(|facts| facts.description.clone_from(&long)),
        ),
        (
            "take the control character U+009B out",
            ["maintainer", "maintainer"],
            refused(|facts| facts.maintainer = "a\u{9b}b".to_owned()),
        ),
        (
            "take the control character U+000A out",
            ["triggers", "triggers"],
            refused(|facts| facts.triggers = vec!["/a\n/b".to_owned()]),
        ),
        (
            "`/usr share` has a blank in it",
            ["triggers", "triggers"],
            refused(|facts| facts.triggers = vec!["/usr share".to_owned()]),
        ),
        (
            "`a b` has a blank in it",
            ["tags", "tags"],
            refused(|facts| facts.tags = vec!["a b".to_owned()]),
        ),
        (
            "4294967296 is more than apk can keep, set it to 4294967295 or less",
            ["builddate", "build-time"],
            refused(|facts| facts.build_date = 1 << 32),
        ),
        (
            "65536 is more than apk can keep, set it to 65535 or less",
            ["provider_priority", "provider-priority"],
            refused(|facts| facts.provider_priority = 1 << 16),
        ),
        (
            "65536 is more than apk can keep",
            ["replaces_priority", "replaces-priority"],
            refused(|facts| facts.replaces_priority = 1 << 16),
        ),
        (
            "1125899906842625 is more than apk can keep",
            ["size", "installed-size"],
            refused(|facts| facts.installed_size = (1 << 50) + 1),
        ),
        (
            "2 is not a layer that apk knows",
            ["layer", "layer"],
            refused(|facts| facts.layer = 2),
        ),
        (
            "entries make a line of",
            ["install_if", "install-if"],
            refused(|facts| facts.install_if = vec![list(&"i".repeat(60)).remove(0); 5]),
        ),
        (
            "entries make a line of",
            ["triggers", "triggers"],
            refused(|facts| facts.triggers = vec!["/".repeat(60); 5]),
        ),
        (
            "entries make a line of",
            ["tags", "tags"],
            refused(|facts| facts.tags = vec!["t".repeat(60); 5]),
        ),
        (
            "entries make a line of",
            ["recommends", "recommends"],
            refused(|facts| facts.recommends = vec![list(&"r".repeat(60)).remove(0); 5]),
        ),
        (
            "the lists of the package have 65 entries together where at most 64 are taken",
            ["depend", "depends"],
            refused(|facts| facts.depends = vec![list("d").remove(0); 65]),
        ),
        (
            "the package makes a record of",
            ["depend", "depends"],
            refused(|facts| {
                let forty = list(&"d".repeat(40)).remove(0);
                facts.depends = vec![list(&"d".repeat(41)).remove(0); 6];
                facts.provides = vec![forty.clone(); 6];
                facts.install_if = vec![forty.clone(); 6];
                facts.recommends = vec![forty; 6];
            }),
        ),
        (
            "name and version are 58 bytes long together, shorten one of them by 10",
            ["pkgname", "name"],
            refused(|facts| {
                facts.name = PackageName::parse(&"n".repeat(30)).unwrap();
                facts.version = Version::parse(&format!("{}1-r0", "1.".repeat(12))).unwrap();
            }),
        ),
    ] {
        for (field, refused) in fields.into_iter().zip(given) {
            let expected = format!("{field}: ");
            assert!(
                refused.starts_with(&expected) && refused.contains(text),
                "{text}: {refused}"
            );
        }
    }
}

#[test]
fn what_only_an_old_apk_stumbles_over_is_refused_for_v2_only() {
    let [v2, v3] = refused(|facts| facts.depends = list("!hello"));
    assert!(
        v2.starts_with("depend: `!hello` excludes the package itself"),
        "{v2}"
    );
    assert_eq!(v3, "");
}
