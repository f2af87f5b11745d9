//! All connections together: how many there may be, and which one makes room for the next.
//!
//! At the limit the connection that has been idle for longest is closed for a new one. The same holds for the share of one
//! source, so that no client can take what others need. Where nothing is idle, a new connection is taken *beyond* the limit: it
//! may ask for `/healthz`, and is answered 503 to everything else. There are few of those, and the oldest makes room too, so
//! monitoring gets an answer whatever the others do.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::activity::Activity;
use tarn_core::{
    access::network,
    settings::{ConnectionLimits, Proxies},
};

/// How many connections there may be beyond the limit.
pub const BEYOND: usize = 64;

/// The connections that are open. A source is an IPv4 address or an IPv6 network of 64 bits.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    share: usize,
    proxies: Arc<Proxies>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    opened: u64,
    within: HashMap<u64, Within>,
    /// How many of those each source has, trusted proxies aside.
    of_sources: HashMap<IpAddr, usize>,
    beyond: BTreeMap<u64, Arc<Activity>>,
}

#[derive(Debug)]
struct Within {
    source: Option<IpAddr>,
    activity: Arc<Activity>,
}

/// Which limit a connection is beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// That of all connections.
    Everybodys,
    /// The share of its source.
    OfItsSource,
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(crate) activity: Arc<Activity>,
    /// What it is beyond, if it is.
    pub(crate) beyond: Option<Limit>,
}

impl Connections {
    /// None yet; as many as `limits` say. Trusted proxies have no share: all their clients come over them.
    pub(crate) fn new(limits: &ConnectionLimits, proxies: Arc<Proxies>) -> Arc<Self> {
        Arc::new(Self {
            most: limits.max_open,
            share: limits.share(),
            proxies,
            open: Mutex::default(),
        })
    }

    /// A place for a connection from `peer`. Another one may be asked to close for it.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Place {
        let source = (!self.proxies.trusts(peer)).then(|| network(peer));
        let activity = Activity::new();
        let mut open = self.open();
        let number = open.opened;
        open.opened += 1;
        let has_share = source.is_none_or(|source| open.of(source) < self.share);
        let beyond = if !has_share {
            (!open.close_idlest(|within| within.source == source)).then_some(Limit::OfItsSource)
        } else if open.within.len() >= self.most {
            (!open.close_idlest(|_| true)).then_some(Limit::Everybodys)
        } else {
            None
        };
        if beyond.is_some() {
            if open.beyond.len() >= BEYOND
                && let Some((_, oldest)) = open.beyond.pop_first()
            {
                oldest.close(true);
            }
            open.beyond.insert(number, Arc::clone(&activity));
        } else {
            if let Some(source) = source {
                *open.of_sources.entry(source).or_default() += 1;
            }
            let within = Within {
                source,
                activity: Arc::clone(&activity),
            };
            open.within.insert(number, within);
        }
        drop(open);
        Place {
            connections: Arc::clone(self),
            number,
            activity,
            beyond,
        }
    }

    /// Tells all of them to take no further request. Those that have none under way close at once.
    pub(crate) fn close(&self) {
        let open = self.open();
        let within = open.within.values().map(|within| &within.activity);
        within
            .chain(open.beyond.values())
            .for_each(|activity| activity.close(activity.idle().is_some()));
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn of(&self, source: IpAddr) -> usize {
        self.of_sources.get(&source).copied().unwrap_or(0)
    }

    /// Tells the one that has been idle for longest to close, and forgets it. Gives whether there was one.
    fn close_idlest(&mut self, among: impl Fn(&Within) -> bool) -> bool {
        let candidates = self.within.iter().filter(|(_, within)| among(within));
        let idlest = candidates
            .filter_map(|(number, within)| Some((within.activity.idle()?, Reverse(*number))))
            .max();
        let Some((_, Reverse(number))) = idlest else {
            return false;
        };
        if let Some(within) = self.forget(number) {
            within.activity.close(true);
        }
        true
    }

    fn forget(&mut self, number: u64) -> Option<Within> {
        let within = self.within.remove(&number)?;
        if let Some(source) = within.source
            && let Some(count) = self.of_sources.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.of_sources.remove(&source);
            }
        }
        Some(within)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if open.forget(self.number).is_none() {
            open.beyond.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn connections(most: usize, share: usize) -> Arc<Connections> {
        let limits = ConnectionLimits {
            max_open: most,
            max_of_source: Some(share),
            ..ConnectionLimits::default()
        };
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            ..Proxies::default()
        };
        Connections::new(&limits, Arc::new(proxies))
    }

    fn address(last: u16) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 0, 0, 0, last))
    }

    #[test]
    fn the_longest_idle_connection_makes_room_and_a_busy_one_never() {
        let connections = connections(3, 3);
        let busy = connections.admit(address(1));
        let _request = busy.activity.begin(|_| ());
        let (first, second) = (connections.admit(address(2)), connections.admit(address(3)));
        // It has been idle for less long than the one after it.
        std::thread::sleep(std::time::Duration::from_millis(5));
        drop(first.activity.begin(|_| ()));
        let third = connections.admit(address(4));
        assert!(second.activity.closes_at_once());
        assert!(!first.activity.closes() && !busy.activity.closes());
        let fourth = connections.admit(address(5));
        assert!(first.activity.closes_at_once());
        assert!([&third, &fourth].iter().all(|place| place.beyond.is_none()));
        // One that makes room is counted no more, so its end makes no further room.
        drop((first, second));
        let all: Vec<_> = [&third, &fourth]
            .map(|place| place.activity.begin(|_| ()))
            .into();
        assert_eq!(
            connections.admit(address(6)).beyond,
            Some(Limit::Everybodys)
        );
        drop(all);
        assert_eq!(connections.admit(address(6)).beyond, None);
    }

    #[test]
    fn a_source_has_its_share_and_a_trusted_proxy_has_all() {
        let connections = connections(5, 2);
        let places: Vec<_> = (0..2).map(|_| connections.admit(address(1))).collect();
        let requests: Vec<_> = places
            .iter()
            .map(|place| place.activity.begin(|_| ()))
            .collect();
        // Another address of the same network.
        let IpAddr::V6(neighbour) = address(1) else {
            unreachable!()
        };
        let neighbour = IpAddr::V6(Ipv6Addr::from(u128::from(neighbour) + 7));
        assert_eq!(
            connections.admit(neighbour).beyond,
            Some(Limit::OfItsSource)
        );
        drop(requests);
        assert_eq!(connections.admit(neighbour).beyond, None);
        assert!(places.iter().any(|place| place.activity.closes()));
        drop(places);
        let proxy: IpAddr = "10.1.2.3".parse().unwrap();
        let of_proxy: Vec<_> = (0..5).map(|_| connections.admit(proxy)).collect();
        assert!(of_proxy.iter().all(|place| place.beyond.is_none()));
    }

    #[test]
    fn few_are_beyond_the_limit_and_the_oldest_makes_room() {
        let connections = connections(1, 1);
        let within = connections.admit(address(0));
        let _request = within.activity.begin(|_| ());
        let beyond: Vec<_> = (1..=64)
            .map(|last| connections.admit(address(last)))
            .collect();
        assert!(beyond.iter().all(|place| !place.activity.closes()));
        let last = connections.admit(address(65));
        assert!(last.beyond.is_some());
        assert!(beyond[0].activity.closes_at_once() && !beyond[1].activity.closes());
        drop((beyond, last));
        assert!(connections.open().beyond.is_empty());
    }
}
