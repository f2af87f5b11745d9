//! Dependencies, as read and as refused.

use proptest::prelude::*;

use super::{Dependency, DependencyError, Operator};
use crate::{limits::Limits, version::Version};

const IDENTITY: &str = "Q19UI7UxyiUywG6aew9c3lCBPshsE=";

#[test]
fn reads_every_operator_and_writes_it_back_as_it_was() {
    for (text, operator) in [
        ("musl", Operator::Any),
        ("musl=1.2.3-r0", Operator::Equal),
        ("musl<1.2", Operator::Less),
        ("musl<=1.2", Operator::LessOrEqual),
        ("musl>1.2", Operator::Greater),
        ("musl>=1.2", Operator::GreaterOrEqual),
        ("musl~1.2", Operator::Fuzzy),
        ("musl=~1.2", Operator::Fuzzy),
        ("musl~=1.2", Operator::Fuzzy),
        ("musl<~1.2", Operator::LessOrFuzzy),
        ("musl>~1.2", Operator::GreaterOrFuzzy),
        ("!musl", Operator::Any),
        ("!musl<1.2", Operator::Less),
    ] {
        let dependency = Dependency::parse(text).unwrap();
        assert_eq!(dependency.operator(), operator, "{text}");
        assert_eq!(dependency.name(), "musl");
        assert_eq!(dependency.conflict(), text.starts_with('!'));
        assert_eq!(
            dependency.version().is_some(),
            operator != Operator::Any,
            "{text}"
        );
        assert_eq!(dependency.to_string(), text);
    }
}

#[test]
fn a_checksum_bounds_by_identity() {
    let text = format!("musl><{IDENTITY}");
    let dependency = Dependency::parse(&text).unwrap();
    assert_eq!(dependency.operator(), Operator::Checksum);
    assert_eq!(dependency.version(), None);
    assert_eq!(dependency.identity().unwrap().to_index_field(), IDENTITY);
    assert_eq!(dependency.to_string(), text);
}

#[test]
fn accepts_the_names_alpine_uses() {
    for text in [
        "/bin/sh",
        "so:libc.musl-x86_64.so.1",
        "so:libfoo.so.1=1.2.3",
        "cmd:x=1.0-r0",
        "cmd:[",
        "pc:gtk+-3.0>=3.24.33",
        "py3.12:ruamel.yaml=0.18.6-r0",
        "_x",
        "dbus:org.freedesktop,Notifications",
    ] {
        assert_eq!(Dependency::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn says_what_is_wrong_and_what_to_do() {
    let name = "write for example `busybox` or `musl>=1.2`, without spaces inside";
    let operators = "is not an operator, use one of `=`, `<`, `<=`, `>`, `>=`, `~`";
    for (text, message) in [
        ("", format!("`` has no name: {name}")),
        ("!", format!("`!` has no name: {name}")),
        (">=1", format!("`>=1` has no name: {name}")),
        (
            "a@edge",
            "`a@edge` has a tag: take the `@` and what follows out, apk takes no tags from a package".to_owned(),
        ),
        (
            "a@edge=1",
            "`a@edge=1` has a tag: take the `@` and what follows out, apk takes no tags from a package".to_owned(),
        ),
        (
            "pc:foo(64bit)",
            "`pc:foo(64bit)` is not a dependency: use only letters, digits and `_+-.,:/[]` in its name, without `(`".to_owned(),
        ),
        (
            "!!a",
            "`!!a` is not a dependency: use only letters, digits and `_+-.,:/[]` in its name, without `!`".to_owned(),
        ),
        ("a==1", format!("`a==1` is not a dependency: `==` {operators}")),
        ("a=>1", format!("`a=>1` is not a dependency: `=>` {operators}")),
        ("a<>1", format!("`a<>1` is not a dependency: `<>` {operators}")),
        ("a>=~1", format!("`a>=~1` is not a dependency: `>=~` {operators}")),
        (
            "a>=",
            "`a>=` is not a dependency: write a version after the operator, or take the operator out".to_owned(),
        ),
        (
            "a=1=2",
            "`a=1=2` is not a dependency: `1=2` is not a version apk understands: `=2` does not belong there, write \
             `digits.digits`, a letter, `_suffix` and `-r` with a number, in this order"
                .to_owned(),
        ),
        (
            "a=latest",
            "`a=latest` is not a dependency: `latest` is not a version apk understands: it has to start with a digit, as in `1.0-r0`"
                .to_owned(),
        ),
        (
            "a=1~abc",
            "`a=1~abc` is not a dependency: `1~abc` has a part that apk 2 does not understand: write `_git20240131` or the \
             like in place of `~abc`"
                .to_owned(),
        ),
        (
            "a><1.0",
            "`a><1.0` is not a dependency: `1.0` is not a package identity: it must be `Q1` and 28 characters of base64"
                .to_owned(),
        ),
    ] {
        assert_eq!(Dependency::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn an_index_may_carry_versions_that_only_apk_2_knows() {
    for text in ["libwmf=6.8.0p2-r4", "pc:x=v2.4"] {
        assert!(Dependency::parse(text).is_err(), "{text}");
        let dependency = Dependency::parse_in_index(text, &Limits::default()).unwrap();
        assert_eq!(dependency.to_string(), text);
    }
    assert!(Dependency::parse_in_index("x=1~ab", &Limits::default()).is_err());
}

#[test]
fn is_bounded_by_the_limit() {
    let limits = Limits::tiny();
    assert!(Dependency::parse_within(&"x".repeat(64), &limits).is_ok());
    assert_eq!(
        Dependency::parse_within(&"x".repeat(65), &limits)
            .unwrap_err()
            .to_string(),
        format!(
            "`{}…` is 65 bytes long: shorten it to 64 bytes or less",
            "x".repeat(64)
        )
    );
    assert!(Dependency::parse(&"x".repeat(255)).is_ok());
    assert!(Dependency::parse(&"x".repeat(256)).is_err());
}

#[test]
fn a_list_has_blanks_between_and_may_end_with_one() {
    let list = Dependency::parse_list("a b>=1  !c ").unwrap();
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["a", "b>=1", "!c"]);
    assert!(Dependency::parse_list("").unwrap().is_empty());
    assert_eq!(
        Dependency::parse_list(" a"),
        Err(DependencyError::LeadingBlank)
    );
    assert!(Dependency::parse_list("a >= 1").is_err());
}

#[test]
fn a_list_puts_operators_into_the_one_spelling_of_an_index() {
    for (written, expected) in [
        ("==", "="),
        ("=<", "<="),
        ("=>", ">="),
        ("<<", "<"),
        (">>=", ">="),
        ("~~", "~"),
        ("=~", "=~"),
        ("=~~", "~"),
        ("~<", "<~"),
        ("=>~", ">~"),
    ] {
        let [read] = &Dependency::parse_list(&format!("a{written}1")).unwrap()[..] else {
            panic!("one dependency");
        };
        assert_eq!(read.to_string(), format!("a{expected}1"), "{written}");
        assert_eq!(Dependency::parse(&read.to_string()).as_ref(), Ok(read));
    }
    for written in ["<>", "<=>", "><=", "<>~"] {
        let list = format!("a{written}1");
        assert!(Dependency::parse_list(&list).is_err(), "{written}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_back(text in "!?[a-z/:.+_-]{1,10}((=|<|<=|>|>=|~|=~|~=|<~|>~)[0-9](\\.[0-9]){0,2}(_rc[0-9])?(-r[0-9])?)?") {
        prop_assert_eq!(Dependency::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-c!<>=~@0-9 .]{0,12}|.{0,20}") {
        if let Ok(dependency) = Dependency::parse(&text) {
            prop_assert_eq!(dependency.to_string(), text.as_str());
        }
        let _ = Dependency::parse_list(&text);
    }
}

#[test]
fn what_provides_a_name_meets_a_bound_as_apk_has_it() {
    for (wanted, version, met) in [
        ("foo", Some("1"), true),
        ("foo>=2", Some("2.1-r0"), true),
        ("foo>=2", Some("1-r0"), false),
        ("foo~1", Some("1.9"), true),
        ("foo<1", Some("1"), false),
        // What has no version, and what is asked for by identity.
        ("foo>=2", None, true),
        ("foo><Q19UI7UxyiUywG6aew9c3lCBPshsE=", Some("1"), true),
    ] {
        let wanted = Dependency::parse(wanted).unwrap();
        let version = version.map(|version| Version::parse(version).unwrap());
        assert_eq!(wanted.may_be_met_by(version.as_ref()), met, "{wanted}");
    }
}
