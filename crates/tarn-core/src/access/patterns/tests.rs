//! Patterns, against a matcher that tries everything.

use proptest::prelude::*;

use super::*;

/// Every `*` may stand for every run of characters.
fn naive(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
        (Some((wanted, pattern)), Some((found, name))) => wanted == found && naive(pattern, name),
        _ => false,
    }
}

fn matches(pattern: &str, branch: &str, repository: &str) -> bool {
    pattern.parse::<PlacePattern>().unwrap().matches(Place {
        branch: &Branch::parse(branch).unwrap(),
        repository: &RepositoryName::parse(repository).unwrap(),
    })
}

fn token(list: &str) -> TokenLimits {
    list.parse().unwrap()
}

#[test]
fn a_star_stands_for_any_run_within_its_part() {
    for (pattern, branch, repository, expected) in [
        ("edge/testing", "edge", "testing", true),
        ("edge/testing", "edge", "testing2", false),
        ("edge/testing", "Edge", "testing", false),
        ("v3.*/main", "v3.23", "main", true),
        ("v3.*/main", "v3.", "main", true),
        ("v3.*/main", "v3", "main", false),
        ("*/community", "edge", "community", true),
        ("*/*", "edge", "community", true),
        ("*a*b*/x", "xxaxxbxx", "x", true),
        ("*a*b*/x", "xxbxxaxx", "x", false),
        ("ab*ba/x", "aba", "x", false),
    ] {
        assert_eq!(
            matches(pattern, branch, repository),
            expected,
            "{pattern} {branch}/{repository}"
        );
    }
}

#[test]
fn what_no_name_could_match_is_refused() {
    for pattern in [
        "edge", "a/b/c", "/b", "a/", "", "a|b/c", ".a/b", "a/ü", "a/@b",
    ] {
        assert!(pattern.parse::<PlacePattern>().is_err(), "{pattern}");
    }
    for pattern in ["a/b", "a/b/c/d", "a//c", "a/b/.c", "a b/c/d"] {
        assert!(pattern.parse::<OwnerPattern>().is_err(), "{pattern}");
    }
    assert!(
        format!("{}/b", "x".repeat(64))
            .parse::<PlacePattern>()
            .is_ok()
    );
    assert!(
        format!("{}/b", "x".repeat(65))
            .parse::<PlacePattern>()
            .is_err()
    );
    let many = "a/b ".repeat(MAX_PATTERNS);
    assert!(many.parse::<TeamLimits>().is_ok());
    assert_eq!(
        format!("{many} a/b").parse::<TeamLimits>(),
        Err(PatternError::TooMany)
    );
    assert_eq!(
        "edge\n".parse::<PlacePattern>().unwrap_err().line(),
        "the pattern `edge\\n` has another form than `branch/repository`; write it like `edge/testing`, `v3.*/main` or \
         `*/community`"
    );
    let long = "x".repeat(500).parse::<PlacePattern>().unwrap_err().line();
    let shown = format!("the pattern `{}` has", "x".repeat(192));
    assert!(long.starts_with(&shown), "{long}");
}

#[test]
fn lists_are_written_canonically() {
    let limits = token(" b/*/**,A/b/c  b/*/* ");
    assert_eq!(limits.to_string(), "a/b/c b/*/*");
    assert_eq!(token(&limits.to_string()), limits);
    assert_eq!(token("").to_string(), "");
}

#[test]
fn no_patterns_are_no_limit() {
    let place = Some(Place {
        branch: &Branch::parse("edge").unwrap(),
        repository: &RepositoryName::parse("main").unwrap(),
    });
    assert!(token("").allow("acme", place) && token("").allow("acme", None));
    assert!(TeamLimits::default().allow(None));
}

#[test]
fn all_of_an_owner_is_allowed_by_a_pattern_for_all_of_it_alone() {
    assert!(token("acme/*/*").allow("acme", None));
    assert!(!token("acme/edge/*").allow("acme", None));
    assert!(token("acme/edge/*").allow_some_of("acme"));
    assert!(!token("acme/edge/*").allow_some_of("acme2"));
    assert!(!token("acme/edge/*").are_of_owners_alone());
    assert!(token("acme/*/* b*/*/*").are_of_owners_alone());
}

#[test]
fn a_wider_limit_is_never_covered() {
    for (wide, narrow, expected) in [
        ("", "", true),
        ("", "a/b/c", true),
        ("a/b/c", "", false),
        ("a/*/*", "A/b/c", true),
        ("a/*/*", "a/v3.*/*", true),
        ("a/v3.*/*", "a/*/*", false),
        ("a/v*/* a/e*/*", "a/v*/x a/edge/x", true),
        ("a/v*/*", "a/v*/x a/edge/x", false),
        ("a/x*/y", "a/*x/y", false),
    ] {
        assert_eq!(
            token(wide).cover(&token(narrow)),
            expected,
            "{wide} / {narrow}"
        );
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_trying_everything(pattern in "[ab*]{1,8}", name in "[ab]{1,12}") {
        let part = Part::parse(&pattern).unwrap();
        prop_assert_eq!(part.matches(&name), naive(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn what_a_covered_part_matches_the_covering_one_matches(
        wide in "[ab*]{1,6}", narrow in "[ab*]{1,6}", name in "[ab]{1,10}"
    ) {
        let (wide, narrow) = (Part::parse(&wide).unwrap(), Part::parse(&narrow).unwrap());
        if wide.matches(&narrow.0) && narrow.matches(&name) {
            prop_assert!(wide.matches(&name));
        }
    }
}

#[test]
fn limits_follow_an_owner_that_is_named_in_full() {
    for (limits, renamed) in [
        ("acme/edge/* other/*/*", Some("apex/edge/* other/*/*")),
        ("acme/*/* apex/*/*", Some("apex/*/*")),
        (
            "zeta/*/* acme/*/main acme/edge/*",
            Some("apex/*/main apex/edge/* zeta/*/*"),
        ),
        ("acm*/*/* */edge/* acme2/*/* my-acme/*/*", None),
        ("other/acme/*", None),
        ("", None),
    ] {
        let found = token(limits).renamed("acme", "apex");
        let found = found.map(|limits| limits.to_string());
        assert_eq!(found.as_deref(), renamed, "{limits}");
    }
    assert_eq!(token("acme/*/*").renamed("acme", "acme"), None);
}

#[test]
fn a_refusal_shows_a_pattern_of_three_long_names_whole_and_no_more() {
    let longest = "?".repeat(3 * MAX_BYTES);
    for (given, shown) in [
        (longest.clone(), &longest),
        (longest.clone() + "?", &longest),
    ] {
        let refused = given.parse::<TokenLimits>().unwrap_err().to_string();
        assert!(refused.contains(&format!("`{shown}`")), "{refused}");
    }
}
