//! The three nodes of `packaging/compose/three.yaml`, started with its variables and its `nginx.conf`, without containers: on the
//! PostgreSQL, the Garage and the nginx of this machine.

use std::{fs, process::Command, thread};

use rustix::process::Signal;
use tarn_testkit::{ACCESS_KEY, Postgres, S3Server, SECRET_KEY, free_address};

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out,
    nginx::{Nginx, Place},
    random::Random,
    server::{ADMIN, PASSWORD},
    tools::nginx_or_leave_out,
};

const COMPOSE: &str = include_str!("../../../../packaging/compose/three.yaml");
const NGINX: &str = include_str!("../../../../packaging/compose/nginx.conf");

/// The environment that the file gives each node, with these values for `${NAME…}`.
fn environment(values: &[(&str, &str)]) -> Vec<(String, String)> {
    let (_, below) = COMPOSE.split_once("\n  environment:\n").unwrap();
    let lines = below.lines().take_while(|line| line.starts_with("    "));
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    let variables = lines.map(|line| {
        let (name, value) = line.trim().split_once(": ").unwrap();
        let mut value = value.to_owned();
        while let Some((before, rest)) = value.split_once("${") {
            let (named, after) = rest.split_once('}').unwrap();
            let named = named.split(':').next().unwrap();
            let given = values.iter().find(|(name, _)| *name == named);
            value = format!("{before}{}{after}", given.expect(named).1);
        }
        (name.to_owned(), value)
    });
    variables.collect()
}

/// Replaces text that has to be there: what names a container.
fn replaced(text: &str, name: &str, here: &str) -> String {
    assert!(text.contains(name), "{name} in {text}");
    text.replace(name, here)
}

#[test]
fn three_nodes_of_the_compose_file_are_one_registry_also_when_one_is_killed() {
    const OF_DATABASE: &str = "0123456789abcdef0123456789abcdef";
    let port = free_address().port();
    let settings = ["listen_addresses=127.0.0.1", &format!("port={port}")];
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    found!(nginx_or_leave_out());
    let alpine = found!(alpine_or_leave_out());
    let garage = found!(S3Server::garage());
    let postgres = found!(Postgres::start_with(&settings, &[("pg_hba.conf", rules)]));
    let role = format!("CREATE ROLE tarn LOGIN PASSWORD '{OF_DATABASE}'");
    postgres.sql("postgres", &role);
    postgres.sql("postgres", "CREATE DATABASE tarn OWNER tarn");

    let place = Place::below("");
    let variables = environment(&[
        ("TARN_BASE_URL", &place.base),
        ("POSTGRES_PASSWORD", OF_DATABASE),
        ("S3_KEY", ACCESS_KEY),
        ("S3_SECRET", SECRET_KEY),
        (
            "TARN_SECRET_KEY",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("TARN_ADMIN_PASSWORD", PASSWORD),
    ]);
    let node = || {
        let mut command = Command::new("env");
        command.envs(variables.iter().map(|(name, value)| {
            let value = match name.as_str() {
                "TARN_DATABASE" => replaced(value, "@postgres/", &format!("@127.0.0.1:{port}/")),
                "TARN_STORAGE" => replaced(value, "http://garage:3900", &garage.endpoint),
                "TARN_TRUSTED_PROXIES" => replaced(value, "172.30.77.0/24", "127.0.0.1/32"),
                _ => value.clone(),
            };
            (name, value)
        }));
        command
    };
    // All at the same moment, as Compose starts them: one of them makes the tables and the first account.
    let mut nodes: Vec<Server> = thread::scope(|scope| {
        let starting: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| Server::start_below(node())))
            .collect();
        let started = starting.into_iter().map(|node| node.join().unwrap());
        started.collect()
    });
    let addresses = nodes.iter().zip(["tarn-1", "tarn-2", "tarn-3"]);
    let lines = addresses.fold(NGINX.to_owned(), |lines, (node, name)| {
        let address = node.address();
        replaced(&lines, &format!("{name}:8080"), address)
    });
    let lines = replaced(&lines, "listen 80;", &format!("listen {};", place.address));
    let nginx = Nginx::start_with(&place, &lines);

    let mut random = Random::new(13);
    // Larger than nginx takes by itself.
    let large = Package::new("large", "1.0-r0").file("usr/share/large", random.bytes(3 << 20));
    let repository = format!("{}/api/packages/admin/alpine/v3.23/main", nginx.base);
    let publish = |package: &Package| {
        let call = nginx.alpine("admin", "/v3.23/main").user(ADMIN);
        call.upload_bytes(&package.bytes()).expect(201);
    };
    let hello = |number: u32| Package::new("hello", &format!("1.{number}-r0"));
    publish(&large);
    publish(&hello(0));
    let apk = Apk::new(&alpine, &[repository]);
    let apk = apk.cached().trusting(&nodes[0], "admin", "");
    apk.expect(&["update"]);
    apk.expect(&["add", "large", "hello"]);
    let bytes = fs::read(apk.root().join("usr/share/large")).unwrap();
    assert_eq!(bytes.len(), 3 << 20);

    // Each round sends more requests than there are nodes, so some of them would have gone to the one that is gone.
    let killed = nodes.remove(1);
    killed.signal(Signal::KILL);
    let killed = killed.wait();
    let upgraded = |from: u32, to: u32| {
        for number in from..=to {
            publish(&hello(number));
        }
        apk.expect(&["update"]);
        apk.expect(&["upgrade"]);
        let installed = apk.installed("usr/share/tarn/hello");
        assert_eq!(installed, Some(format!("1.{to}-r0")));
    };
    upgraded(1, 4);
    nodes.push(killed.start_below(node()));
    upgraded(5, 6);
    for node in &nodes {
        assert_eq!(node.index("v3.23/main").packages().len(), 8);
        let log = node.log();
        assert!(!log.contains("ERROR") && !log.contains("panic"), "{log}");
    }
}
