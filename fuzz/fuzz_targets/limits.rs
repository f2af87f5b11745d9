//! Two lists of patterns and a place, a line each: what is written is read back, and limits that cover others allow all that
//! those allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tarn_core::access::{Place, TeamLimits, TokenLimits};
use tarn_base::names::{Branch, OwnerName, RepositoryName};

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let lists: Vec<&str> = lines.by_ref().take(2).collect();
    for list in &lists {
        if let Ok(limits) = list.parse::<TeamLimits>() {
            assert_eq!(limits.to_string().parse::<TeamLimits>(), Ok(limits));
        }
    }
    let limits: Vec<TokenLimits> = lists.iter().filter_map(|list| list.parse().ok()).collect();
    for limits in &limits {
        assert_eq!(
            limits.to_string().parse::<TokenLimits>().as_ref(),
            Ok(limits)
        );
        assert!(limits.cover(limits), "{limits}");
    }
    let mut parts = lines.next().unwrap_or_default().split('/');
    let mut part = || parts.next().unwrap_or_default();
    let (Ok(owner), Ok(branch), Ok(repository)) = (
        OwnerName::parse(part()),
        Branch::parse(part()),
        RepositoryName::parse(part()),
    ) else {
        return;
    };
    let place = Some(Place {
        branch: &branch,
        repository: &repository,
    });
    for wide in &limits {
        for narrow in limits.iter().filter(|narrow| wide.cover(narrow)) {
            let allowed = narrow.allow(&owner.lower(), place);
            assert!(
                !allowed || wide.allow(&owner.lower(), place),
                "{wide} / {narrow}"
            );
        }
    }
});
