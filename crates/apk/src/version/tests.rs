//! Versions: the grammar and the order.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::Version;
use crate::{dependency::Operator, limits::Limits};

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn accepts_every_kind_of_part() {
    for text in [
        "0",
        "1",
        "1.0",
        "1.0.0.0.0",
        "1.0a",
        "1.0_alpha",
        "1.0_beta2",
        "1_pre",
        "1_rc1_p3",
        "1_git20240131",
        "1_cvs_svn_hg",
        "1.0z_p1",
        "2024.01.31-r0",
        "1.0-r01",
        "007",
        "1.00.000",
        "1~abcdef0",
        "1_p1~0-r9",
        "18446744073709551615",
    ] {
        assert_eq!(version(text).as_str(), text);
    }
}

#[test]
fn says_what_is_wrong_and_what_to_do() {
    let no = "does not belong there";
    let belongs = "does not belong there, write `digits.digits`, a letter, `_suffix` and `-r` with a number, in this order";
    let suffixes = "is not a known suffix (alpha, beta, pre, rc, cvs, svn, git, hg, p)";
    for (text, message) in [
        ("", "the version is empty: write for example `1.0-r0`".to_owned()),
        ("v1", "`v1` is not a version apk understands: it has to start with a digit; write `1-r0`".to_owned()),
        (".1", "`.1` is not a version apk understands: it has to start with a digit, as in `1.0-r0`".to_owned()),
        ("1.", "`1.` is not a version apk understands: a digit has to follow each `.` and `-r`; write `1-r0`".to_owned()),
        ("1..2", "`1..2` is not a version apk understands: a digit has to follow each `.` and `-r`".to_owned()),
        ("1-r", "`1-r` is not a version apk understands: a digit has to follow each `.` and `-r`; write `1-r0`".to_owned()),
        ("1.0_foo", format!("`1.0_foo` is not a version apk understands: `_foo` {suffixes}; write `1.0-r0`")),
        ("1.0_", format!("`1.0_` is not a version apk understands: `_` {suffixes}; write `1.0-r0`")),
        ("1.0_alphabet", format!("`1.0_alphabet` is not a version apk understands: `_alphabet` {suffixes}; write `1.0-r0`")),
        ("1~", "`1~` is not a version apk understands: only the digits 0-9 and a-f of a commit hash may follow `~`; write `1-r0`".to_owned()),
        ("1.0ab", format!("`1.0ab` is not a version apk understands: `b` {belongs}")),
        ("1.0a1", format!("`1.0a1` is not a version apk understands: `1` {no}; write `1.0_alpha1-r0`")),
        ("1.0-1", format!("`1.0-1` is not a version apk understands: `-1` {no}; write `1.0-r1`")),
        ("1.0-r1_p1", format!("`1.0-r1_p1` is not a version apk understands: `_p1` {no}; write `1.0_p1-r1`")),
        ("1.0-r1-r2", format!("`1.0-r1-r2` is not a version apk understands: `-r2` {no}; write `1.0-r2`")),
        ("1_p.1", format!("`1_p.1` is not a version apk understands: `.1` {no}; write `1_p1-r0`")),
        ("1.0 ", format!("`1.0 ` is not a version apk understands: ` ` {belongs}")),
        ("1.0A", format!("`1.0A` is not a version apk understands: `A` {belongs}")),
        ("1~abG", format!("`1~abG` is not a version apk understands: `~abG` {no}; write `1_pre-r0`")),
        (
            "1.18446744073709551616",
            "`1.18446744073709551616` is not a version apk can order: the number `18446744073709551616` is over \
             18446744073709551615, make it smaller"
                .to_owned(),
        ),
    ] {
        assert_eq!(Version::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_v2_package_carries_only_what_apk_2_knows() {
    let parse = |text| Version::parse_for_v2(text, &Limits::default());
    assert!(parse("1.0_git20240131-r0").is_ok());
    assert!(parse("1.12345678901234567").is_ok());
    assert_eq!(
        parse("1.0~abc-r0").unwrap_err().to_string(),
        "`1.0~abc-r0` has a part that apk 2 does not understand: write `_git20240131` or the like in place of `~abc`"
    );
    for text in [
        "123456789012345678",
        "1.123456789012345678",
        "1_p123456789012345678",
        "1-r123456789012345678",
    ] {
        assert!(
            parse(text).unwrap_err().to_string().ends_with(
                "is not a version apk 2 understands: shorten the number `123456789012345678` to 17 digits"
            ),
            "{text}"
        );
    }
}

#[test]
fn an_index_may_carry_what_only_apk_2_knows() {
    let parse = |text| Version::parse_in_index(text, &Limits::default());
    for text in ["0.99f7-r0", "6.8.0p2-r4", "v2.4", "1a1b2.3c_rc1", "1.0-r0"] {
        assert_eq!(parse(text).unwrap().as_str(), text);
    }
    for text in [
        "",
        "-r1",
        "1.0~ab",
        "1.0ab",
        "1.0a_foo",
        "1a123456789012345678",
        "V2",
        "a_",
        "1.0a1~b",
    ] {
        assert_eq!(
            parse(text),
            Err(Version::parse_for_v2(text, &Limits::default()).unwrap_err()),
            "{text}"
        );
    }
    assert!(Version::parse_in_index(&"1a".repeat(17), &Limits::tiny()).is_err());
    // Up to the letter the versions count, and what follows makes them older than nothing would.
    let (old, new) = (parse("0.99f7-r0").unwrap(), parse("0.99f-r0").unwrap());
    assert_eq!(old.compare(&new), Ordering::Less);
}

#[test]
fn suggests_what_apk_orders_for_what_it_does_not() {
    for (text, suggestion) in [
        ("1.2.3-rc.1", "1.2.3_rc1-r0"),
        ("1.2.3-rc1", "1.2.3_rc1-r0"),
        ("1.2.3-RC1", "1.2.3_rc1-r0"),
        ("1.2.3_rc.1", "1.2.3_rc1-r0"),
        ("1.2.3-rc.1-r4", "1.2.3_rc1-r4"),
        ("1.2.3-rc.1-r0", "1.2.3_rc1-r0"),
        ("1.2.3-SNAPSHOT-r0", "1.2.3_pre-r0"),
        ("1.2.3-canary.4", "1.2.3_pre4-r0"),
        ("1.2.3-next-r2", "1.2.3_pre-r2"),
        ("1.2.3~next1", "1.2.3_pre1-r0"),
        ("1.2.3-4-git", "1.2.3_git-r0"),
        ("1.2.3-RELEASE", "1.2.3-r0"),
        ("1.2.3.Final", "1.2.3-r0"),
        ("1.2.3-abcdef", "1.2.3-r0"),
        ("1.2.3-5-g92081f1", "1.2.3_p5-r0"),
        ("1.2.3-beta.1+build.5", "1.2.3_beta1-r0"),
        ("1.2.3-alpha", "1.2.3_alpha-r0"),
        ("1.2.3+meta", "1.2.3-r0"),
        ("1.2.3~dev", "1.2.3_pre-r0"),
        ("1.2.3~beta2-1", "1.2.3_beta2-r0"),
        ("1.2.3-SNAPSHOT-x", "1.2.3_pre-r0"),
        ("1.2.3_SNAPSHOT", "1.2.3_pre-r0"),
        ("1.2.3-SNAPSHOT-20240131", "1.2.3_pre20240131-r0"),
        ("1.2.3-p1", "1.2.3_p1-r0"),
        ("1.2.3-r0-p1", "1.2.3_p1-r0"),
        ("1.5.7-r1-r1", "1.5.7-r1"),
        ("2.7.18.10-git-r0", "2.7.18.10_git-r0"),
        ("v1.2.3", "1.2.3-r0"),
        ("1.2.3-4", "1.2.3-r4"),
        ("2024-01-31", "2024.01.31-r0"),
        ("1.0b2", "1.0_beta2-r0"),
        ("1.0.post1", "1.0_p1-r0"),
        ("0.0.0-20240131120000-abcdef", "0.0.0_git20240131120000-r0"),
    ] {
        let version = Version::parse_lenient(text, &Limits::default()).unwrap();
        assert!(!version.is_orderable(), "{text}");
        assert_eq!(version.suggestion().as_deref(), Some(suggestion), "{text}");
        let refused = Version::parse(text).unwrap_err().to_string();
        assert!(
            refused.ends_with(&format!("; write `{suggestion}`")),
            "{refused}"
        );
        assert!(version_of_suggestion(suggestion).is_orderable());
    }
    for text in [
        "latest",
        "92081f1-r0",
        "1.2.3A",
        "1..2",
        "1.2.3-123456789012345678",
    ] {
        let version = Version::parse_lenient(text, &Limits::default()).unwrap();
        assert_eq!(
            (version.is_orderable(), version.suggestion()),
            (false, None),
            "{text}"
        );
    }
    assert_eq!(version("1.2.3-r0").suggestion(), None);
}

fn version_of_suggestion(text: &str) -> Version {
    Version::parse_for_v2(text, &Limits::default()).unwrap()
}

#[test]
fn a_lenient_reader_takes_what_is_safe_in_a_file_name_and_no_more() {
    let limits = Limits::default();
    for text in [
        "1.2.3-rc.1",
        "latest",
        "1.2.3+meta~x_Y-z",
        "1.0-r0",
        "99999999999999999999",
    ] {
        assert_eq!(
            Version::parse_lenient(text, &limits).unwrap().as_str(),
            text
        );
    }
    let too_long = "1.2.3-x".repeat(20);
    for text in [
        "", "-1", ".5", "~1", "_1", "+1", "1 2", "1/2", "1%20", "1:2", "1@2", "1,2", "1=2", "1<2",
        "1>2", "1^2", "1\n", "1ü", &too_long,
    ] {
        assert_eq!(
            Version::parse_lenient(text, &limits).err(),
            Version::parse_within(text, &limits).err(),
            "{text:?}"
        );
        assert!(Version::parse_lenient(text, &limits).is_err(), "{text:?}");
    }
    // An old one that only apk 2 orders is none that apk 3 does.
    let old = Version::parse_in_index("0.99f7-r0", &limits).unwrap();
    assert!(!old.is_orderable());
}

#[test]
fn is_bounded_by_the_limit() {
    let parse = |length| Version::parse_within(&"1".repeat(length), &Limits::tiny());
    assert!(
        parse(33)
            .unwrap_err()
            .to_string()
            .contains("33 bytes long: shorten it to 32")
    );
    assert!(Version::parse_within("1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6a", &Limits::tiny()).is_ok());
}

/// From the oldest to the newest.
const ORDER: [&str; 34] = [
    "0",
    "0.1",
    "0.9",
    "1_alpha",
    "1_alpha1",
    "1_alpha2",
    "1_alpha10",
    "1_beta",
    "1_pre",
    "1_rc_alpha",
    "1_rc",
    "1_rc1",
    "1",
    "1-r1",
    "1-r2",
    "1-r10",
    "1~0a",
    "1~b",
    "1~b-r1",
    "1_cvs",
    "1_svn",
    "1_git",
    "1_hg",
    "1_p",
    "1_p-r1",
    "1_p1",
    "1_p1_p1",
    "1a",
    "1b",
    "1.0",
    "1.001",
    "1.01",
    "1.1",
    "1.10",
];

#[test]
fn orders_as_apk_does() {
    for (i, older) in ORDER.iter().enumerate() {
        for (j, newer) in ORDER.iter().enumerate() {
            assert_eq!(
                version(older).compare(&version(newer)),
                i.cmp(&j),
                "{older} {newer}"
            );
        }
    }
}

#[test]
fn two_spellings_can_be_equal() {
    for (one, other) in [("1-r1", "1-r01"), ("01", "1"), ("1_p1", "1_p001")] {
        assert_eq!(version(one).compare(&version(other)), Ordering::Equal);
        assert_ne!(version(one), version(other));
    }
    // A leading zero counts only after a dot.
    assert_eq!(version("1.1").compare(&version("1.01")), Ordering::Greater);
}

#[test]
fn a_version_satisfies_a_bound_as_apk_has_it() {
    for (one, operator, other, expected) in [
        ("1.2", "", "9", true),
        ("1.2", "=", "1.2", true),
        ("1.2", "=", "1.2.0", false),
        ("1.2", "<", "1.3", true),
        ("1.2", "<", "1.2", false),
        ("1.2", "<=", "1.2", true),
        ("1.2", ">", "1.2", false),
        ("1.2", ">=", "1.2", true),
        ("1.2.9", "~", "1.2", true),
        ("1.2_rc1", "~", "1.2", true),
        ("1.20", "~", "1.2", false),
        ("1", "~", "1.2", false),
        ("1.1", "<~", "1.2", true),
        ("1.2.1", "<~", "1.2", true),
        ("1.3", "<~", "1.2", false),
        ("1.3", ">~", "1.2", true),
        ("1.2", "><", "1.2", false),
    ] {
        let operator = Operator::parse(operator).unwrap();
        assert_eq!(
            version(one).satisfies(operator, &version(other)),
            expected,
            "{one} {operator:?} {other}"
        );
    }
}

/// Versions of every shape, close enough to each other to be equal or nearly so.
fn generated() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("0"),
        Just("00"),
        Just("01"),
        Just("1"),
        Just("2"),
        Just("9"),
        Just("10")
    ];
    let suffix = prop_oneof![
        Just("alpha"),
        Just("beta"),
        Just("pre"),
        Just("rc"),
        Just("cvs"),
        Just("svn"),
        Just("git"),
        Just("hg"),
        Just("p")
    ];
    (
        prop::collection::vec(number.clone(), 1..4),
        prop::option::of(prop_oneof![Just("a"), Just("b")]),
        prop::collection::vec((suffix, prop::option::of(number.clone())), 0..3),
        prop::option::of(prop_oneof![Just("0"), Just("0a"), Just("b")]),
        prop::option::of(number),
    )
        .prop_map(|(numbers, letter, suffixes, hash, revision)| {
            let mut version = numbers.join(".");
            version.push_str(letter.unwrap_or_default());
            for (suffix, number) in suffixes {
                version.push('_');
                version.push_str(suffix);
                version.push_str(number.unwrap_or_default());
            }
            if let Some(hash) = hash {
                version.push('~');
                version.push_str(hash);
            }
            if let Some(revision) = revision {
                version.push_str("-r");
                version.push_str(revision);
            }
            version
        })
}

/// A version that a package may have: half of them have a part that apk does not understand.
fn carried() -> impl Strategy<Value = Version> {
    (generated(), prop::option::of("[-+~._][A-Za-z0-9]{1,3}")).prop_map(|(text, tail)| {
        let text = text + tail.as_deref().unwrap_or_default();
        Version::parse_lenient(&text, &Limits::default()).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_generated_version_is_valid_and_equal_to_itself(text in generated()) {
        prop_assert_eq!(version(&text).compare(&version(&text)), Ordering::Equal);
    }

    #[test]
    fn the_order_is_antisymmetric(a in carried(), b in carried()) {
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
    }

    #[test]
    fn the_order_is_transitive(a in carried(), b in carried(), c in carried()) {
        let mut sorted = [a, b, c];
        sorted.sort_by(Version::compare);
        prop_assert!(sorted[0].compare(&sorted[1]).is_le());
        prop_assert!(sorted[1].compare(&sorted[2]).is_le());
        prop_assert!(sorted[0].compare(&sorted[2]).is_le());
        if sorted[0].compare(&sorted[2]).is_eq() {
            prop_assert!(sorted[0].compare(&sorted[1]).is_eq());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[0-9a-z._~+ -]{0,20}|.{0,20}") {
        if let Ok(version) = Version::parse(&text) {
            prop_assert_eq!(version.as_str(), text.as_str());
        }
        let _ = super::order::compare(&text, "1.0_rc1-r0", false);
        let _ = super::suggestion::for_text(&text);
    }
}
