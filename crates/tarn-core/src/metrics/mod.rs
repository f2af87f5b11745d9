//! What is counted, and the text in which it is shown.
//!
//! Each part counts for itself, always, by adding to a number in memory; the text is put together on request.
//! No label has the name of an owner, a repository, a package or a person: a reader of the metrics may not read all
//! of those.
//!
//! The numbers are our own, not a metrics library's: they belong to one registry and not to the process, so that two
//! in one test do not share them; a request pays a few atomic additions; and nothing is gathered unless it is asked for.

mod requests;
mod text;

pub use self::requests::{RequestCounts, Route};
use self::text::Exposition;
use crate::{Registry, certificates::CertificateCounts, index::IndexCounts};
pub use tarn_base::counter::{Counter, Histogram};

/// All that was counted, as Prometheus reads it.
pub async fn exposition(registry: &Registry) -> String {
    let mut text = Exposition::default();
    requests(&mut text, registry.requests());
    let (bytes, count) = registry.indexes().cached().await;
    indexes(&mut text, registry.indexes().counts());
    text.gauge("tarn_index_cache_bytes", "Memory that indexes take.", bytes);
    text.gauge("tarn_index_cache_entries", "Indexes in memory.", count);
    let publishes = registry.publisher().counts();
    text.counter(
        "tarn_publishes_total",
        "Uploads, by how they ended.",
        [
            ("result=\"accepted\"", publishes.taken.value()),
            ("result=\"already_exists\"", publishes.existing.value()),
            ("result=\"refused\"", publishes.refused.value()),
            ("result=\"incomplete\"", publishes.cut_off.value()),
            ("result=\"failed\"", publishes.failed.value()),
        ],
    );
    text.counter(
        "tarn_publish_transactions_total",
        "Transactions that recorded packages; uploads at the same time share one.",
        [("", registry.metadata().recording_transactions())],
    );
    text.counter(
        "tarn_database_queries_total",
        "Queries that only read. Answers from memory are not counted.",
        [("", registry.metadata().questions())],
    );
    let passwords = registry.access().password_counts();
    text.counter(
        "tarn_password_checks_total",
        "Passwords compared with a hash, by result.",
        [
            ("result=\"correct\"", passwords.right.value()),
            ("result=\"wrong\"", passwords.wrong.value()),
            ("result=\"failed\"", passwords.failed.value()),
        ],
    );
    if let Some(certificates) = registry.certificates() {
        certificate(&mut text, certificates.counts());
    }
    let jobs = registry
        .job_counts()
        .each()
        .flat_map(|(job, done, failed)| {
            let labels = move |result| format!("job=\"{job}\",result=\"{result}\"");
            [(labels("done"), done), (labels("failed"), failed)]
        });
    text.counter(
        "tarn_job_runs_total",
        "Runs of housekeeping jobs by this server, by result.",
        jobs,
    );
    text.counter(
        "tarn_log_lines_lost_total",
        "Log lines that could not be written, or came faster than they were read.",
        [("", registry.settings().lost_log_lines.value())],
    );
    text.finish()
}

fn certificate(text: &mut Exposition, counts: &CertificateCounts) {
    text.gauge(
        "tarn_certificate_expiry_timestamp_seconds",
        "When the certificate in use expires; 0 if there is none yet. Only with `acme-domain`.",
        counts.not_after(),
    );
    text.counter(
        "tarn_certificate_orders_total",
        "Certificates that this server ordered, by result. Only with `acme-domain`.",
        [
            ("result=\"issued\"", counts.issued.value()),
            ("result=\"failed\"", counts.failed.value()),
        ],
    );
    text.gauge(
        "tarn_certificate_failed_orders",
        "Orders since the last certificate was issued that failed or are under way, of all servers. Only with `acme-domain`.",
        counts.failing(),
    );
}

fn requests(text: &mut Exposition, counts: &RequestCounts) {
    let of_statuses = counts.routes().flat_map(|(route, of_route)| {
        let labels = move |status| format!("route=\"{route}\",status=\"{status}\"");
        of_route
            .statuses()
            .map(move |(status, count)| (labels(status), count))
    });
    text.counter(
        "tarn_requests_total",
        "Requests answered, by route and status.",
        of_statuses,
    );
    text.histogram(
        "tarn_request_duration_seconds",
        "From the head of a request to that of its answer, by route.",
        counts
            .routes()
            .map(|(route, of_route)| (format!("route=\"{route}\""), &of_route.took)),
    );
    text.counter(
        "tarn_sent_bytes_total",
        "Bytes written to clients.",
        [("", counts.sent.value())],
    );
    text.counter(
        "tarn_connections_total",
        "Connections accepted.",
        [("", counts.opened.value())],
    );
    let open = counts.opened.value().saturating_sub(counts.closed.value());
    text.gauge("tarn_open_connections", "Connections open now.", open);
    text.counter(
        "tarn_disk_full_total",
        "Requests refused because the disk is full.",
        [("", counts.disk_full.value())],
    );
}

fn indexes(text: &mut Exposition, counts: &IndexCounts) {
    text.counter(
        "tarn_index_requests_total",
        "Requests for an index, by whether it was cached or had to be built.",
        [
            ("from=\"cache\"", counts.from_memory.value()),
            (
                "from=\"build\"",
                counts
                    .asked
                    .value()
                    .saturating_sub(counts.from_memory.value()),
            ),
        ],
    );
    text.counter(
        "tarn_indexes_made_total",
        "Indexes made and signed.",
        [
            ("format=\"v2\"", counts.made_v2.value()),
            ("format=\"v3\"", counts.made_v3.value()),
        ],
    );
    text.counter(
        "tarn_index_signatures_total",
        "Signatures made for v2 indexes.",
        [("", counts.signatures.value())],
    );
    text.counter(
        "tarn_index_refused_total",
        "Indexes that failed verification and were not served. Above 0: report it, with the log.",
        [("", counts.refused.value())],
    );
}
