//! Two lists of networks and an address, a line each: what is written is read back, and networks that cover others have every
//! address of those.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use tarn_core::access::Networks;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let lists = lines.by_ref().take(2);
    let lists: Vec<Networks> = lists.filter_map(|list| list.parse().ok()).collect();
    let address: Option<IpAddr> = lines.next().and_then(|line| line.parse().ok());
    for wide in &lists {
        assert_eq!(wide.to_string().parse::<Networks>().as_ref(), Ok(wide));
        assert!(wide.cover(wide));
        for narrow in lists.iter().filter(|narrow| wide.cover(narrow)) {
            if let Some(address) = address {
                assert!(
                    !narrow.allow(address) || wide.allow(address),
                    "{wide} / {narrow}"
                );
            }
        }
    }
});
