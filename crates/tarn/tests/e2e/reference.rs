//! `docs/reference/metrics.md`, made from what a server says.

use std::{env, fs, path::Path};

use crate::harness::{Server, curl_or_leave_out};

const HEAD: &str = "<!-- Made from `/metrics`; do not edit. The test `the_metrics_of_the_reference_are_those_of_a_server` compares and, with TARN_WRITE_REFERENCE=1, writes it. -->

# Metrics

With the setting [`metrics`](settings.md#metrics) on, `GET /metrics` answers in the text format of Prometheus, without credentials. [Operations](../operations.md#metrics)
says which are worth an alarm. No label names an owner, a repository, a package or a person.

| metric | type | labels | what it says |
|---|---|---|---|
";

/// The label of every sample, in the order in which they come.
fn labels<'t>(text: &'t str, metric: &str) -> Vec<&'t str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let rest = line
            .strip_prefix(metric)
            .and_then(|rest| rest.split_once('{'));
        let Some((suffix, rest)) = rest else { continue };
        if !["", "_bucket", "_sum", "_count"].contains(&suffix) {
            continue;
        }
        for part in rest.split('}').next().unwrap().split(',') {
            let name = part.split('=').next().unwrap();
            if !found.contains(&name) && name != "le" {
                found.push(name);
            }
        }
    }
    found
}

#[test]
fn the_metrics_of_the_reference_are_those_of_a_server() {
    found!(curl_or_leave_out());
    // An authority that nothing answers for: its metrics are there, too.
    let server = Server::start_with(
        "--metrics on --acme-domain localhost --acme-directory https://127.0.0.1:1/dir",
    );
    // The second time there are requests that were counted.
    server.curl("/metrics").arg("-k").expect(200);
    let answer = server.curl("/metrics").arg("-k").expect(200);
    let text = answer.text();
    let mut page = HEAD.to_owned();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((metric, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let kind = lines.next().unwrap().rsplit(' ').next().unwrap();
        let labels: Vec<String> = labels(text, metric)
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        page.push_str(&format!(
            "| `{metric}` | {kind} | {} | {help} |\n",
            labels.join(", ")
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    if env::var_os("TARN_WRITE_REFERENCE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        page,
        "docs/reference/metrics.md is not what the server says: run this test with TARN_WRITE_REFERENCE=1"
    );
}
