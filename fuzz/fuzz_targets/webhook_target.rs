//! The URL of a webhook: one that is taken is taken as it is kept, and shows its origin alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tarn_net::Target;

fuzz_target!(|text: &str| {
    let Ok(target) = Target::parse(text) else {
        return;
    };
    assert!(
        Target::parse(target.as_str()).is_ok_and(|again| again == target),
        "{}",
        target.as_str()
    );
    let shown = target.to_string();
    let origin = shown
        .strip_prefix("https://")
        .or(shown.strip_prefix("http://"));
    assert!(
        origin.is_some_and(|origin| !origin.contains(['/', '?', '#', '@'])),
        "{shown}"
    );
    assert!(target.as_str().starts_with(&shown), "{shown}");
});
