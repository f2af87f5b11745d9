//! Log lines on standard error.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::settings::{Configuration, values::LogFormat};

/// Installs the process-wide subscriber. `default` is what is logged when nobody set a level.
///
/// The level is that of Tarn's own crates. The crates below them are logged from `warn` on whatever the level: what
/// they tell beyond that is theirs to choose, and could one day hold a header or a query.
pub(crate) fn install(configuration: &Configuration, default: Level) {
    let level = configuration.log_level.unwrap_or(default).as_str();
    let others = if level == "ERROR" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!(
        "{others},tarn={level},registry={level},apk={level}"
    ));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // That there is one already can only mean that this function ran before.
    let _ = match configuration.log_format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
}
