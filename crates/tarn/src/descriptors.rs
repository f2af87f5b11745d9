//! File descriptors: enough of them for the connections that may be open.
//!
//! Most systems begin a process with room for 1024 and let it ask for far more. Without room nothing can be accepted,
//! and worse, requests under way cannot open a package or a temporary file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections: the database and its log, folders that are being synced, standard streams, connections
/// that are refused because there are too many.
const BESIDE: u64 = 256 + tarn_http::BEYOND as u64;

/// A connection, and the file that it sends or receives.
const PER_CONNECTION: u64 = 2;

/// Raises the limit of this process as far as `connections` need it and the system lets it. Gives how many connections
/// there is room for: `connections` or fewer, and at least one.
pub(crate) fn make_room(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(&limit, connections) else {
        return connections;
    };
    // When it is refused, what is there has to do.
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => limit.current,
    };
    let room = room(now, connections);
    if room < connections {
        tracing::warn!(
            wanted = connections,
            room,
            "the limit of open files leaves room for fewer connections; raise it, e.g. with LimitNOFILE of systemd"
        );
    }
    room
}

/// The limit to ask for; none when the one that holds is enough.
fn raised(limit: &Rlimit, connections: usize) -> Option<Rlimit> {
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_mul(PER_CONNECTION)
        .saturating_add(BESIDE);
    if limit.current.is_none_or(|current| current >= wanted) {
        return None;
    }
    Some(Rlimit {
        current: Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted))),
        maximum: limit.maximum,
    })
}

/// How many of the connections fit under a limit.
fn room(limit: Option<u64>, connections: usize) -> usize {
    let Some(limit) = limit else {
        return connections;
    };
    let fit = limit.saturating_sub(BESIDE) / PER_CONNECTION;
    usize::try_from(fit)
        .unwrap_or(usize::MAX)
        .clamp(1, connections.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: Option<u64>, maximum: Option<u64>) -> Rlimit {
        Rlimit { current, maximum }
    }

    #[test]
    fn asks_for_what_the_connections_need_and_no_more() {
        for (before, after) in [
            (limit(Some(1024), Some(524_288)), Some(16_704)),
            (limit(Some(1024), None), Some(16_704)),
            (limit(Some(1024), Some(4096)), Some(4096)),
            (limit(Some(20_000), Some(20_000)), None),
            (limit(None, None), None),
        ] {
            let raised = raised(&before, 8192);
            assert_eq!(raised.and_then(|limit| limit.current), after, "{before:?}");
        }
    }

    #[test]
    fn fewer_connections_where_the_limit_stays_low() {
        for (limit, fit) in [
            (None, 8192),
            (Some(16_704), 8192),
            (Some(1_000_000), 8192),
            (Some(4096), 1888),
            (Some(1024), 352),
            (Some(256), 1),
            (Some(10), 1),
        ] {
            assert_eq!(room(limit, 8192), fit, "{limit:?}");
        }
    }
}
