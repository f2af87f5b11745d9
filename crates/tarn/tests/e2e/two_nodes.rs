//! Two servers on one PostgreSQL and one S3 store are one registry.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tarn_core::jobs::Job;
use tarn_testkit::{Postgres, S3Server};

use crate::{
    harness::{
        Answer, Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
        nginx::{Nginx, Place},
        random::Random,
        server::{ADMIN, credentials_of, password_of},
        tools::nginx_or_leave_out,
    },
    interruptions::stream_of_uploads,
    s3_store::{blobs_in, with_store},
};

const INDEXES: [&str; 2] = [
    "/v1/main/x86_64/APKINDEX.tar.gz",
    "/v1/main/x86_64/Packages.adb",
];

/// What a browser sends with a form of the server's own pages.
const OWN_PAGE: &str = "Sec-Fetch-Site: same-origin";

/// The servers, and what both stand on.
struct Nodes {
    both: [Server; 2],
    postgres: Postgres,
    storage: String,
    objects: PathBuf,
    sealing_key: PathBuf,
}

impl Nodes {
    /// Starts them. The packages are in a place of that name. `None` where a program is missing.
    fn start(place: &str) -> Option<Self> {
        curl_or_leave_out()?;
        let (postgres, gateway) = (Postgres::start()?, S3Server::versitygw()?);
        postgres.create("tarn", None);
        let storage = gateway.make_place(place);
        let with_database = |mut command: Command| {
            command.env("TARN_DATABASE", postgres.url("tarn"));
            command
        };
        let one = Server::start_below(with_database(with_store(&storage)));
        let sealing_key = one.data_folder().join("secret.key");
        let mut second = with_database(with_store(&storage));
        second.env("TARN_SECRET_KEY_FILE", &sealing_key);
        let two = Server::start_below(second);
        Some(Self {
            both: [one, two],
            postgres,
            storage,
            objects: gateway.folder(place),
            sealing_key,
        })
    }

    /// Which of them does something in that round, and which of them shows it next.
    fn turn(&self, round: usize) -> (&Server, &Server) {
        let [one, two] = &self.both;
        match round % 2 {
            0 => (one, two),
            _ => (two, one),
        }
    }

    /// Runs a command of `tarn` on their database.
    fn command(&self, line: &str, input: &str) -> String {
        let line = format!("{line} --database {}", self.postgres.url("tarn"));
        let [one, _] = &self.both;
        one.tarn_with(&line, input)
    }

    fn add_user(&self, arguments: &str) {
        let password = password_of(arguments.split(' ').next().unwrap());
        self.command(&format!("user add {arguments} --password-stdin"), &password);
    }

    fn sql(&self, text: &str) -> String {
        self.postgres.sql("tarn", text)
    }

    /// Stops one of them with that signal, and starts it again.
    fn restart(self, which: usize, signal: Signal) -> Self {
        let mut wrapper = with_store(&self.storage);
        wrapper
            .env("TARN_DATABASE", self.postgres.url("tarn"))
            .env("TARN_SECRET_KEY_FILE", &self.sealing_key);
        let again = |node: Server| {
            node.signal(signal);
            node.wait().start_below(wrapper)
        };
        let [one, two] = self.both;
        let both = match which {
            0 => [again(one), two],
            _ => [one, again(two)],
        };
        Self { both, ..self }
    }

    /// What both answer alike.
    fn same(&self, path: &str) -> Answer {
        let ask = |_| [0, 1].map(|n| self.both[n].alpine("admin", path).expect(200));
        // A file that has just changed has another date a second later.
        let at_once = |[one, two]: &[Answer; 2]| one.require("date") == two.require("date");
        let [one, two] = (0..9).map(ask).find(at_once).unwrap();
        for header in ["etag", "last-modified", "content-length", "content-type"] {
            assert_eq!(one.require(header), two.require(header), "{path}");
        }
        assert!(one.body == two.body, "{path}");
        one
    }

    /// How often each job was begun, by all servers together.
    fn begun_jobs(&self) -> BTreeMap<String, u32> {
        let rows = self.sql("SELECT name, number FROM leases");
        let rows = rows.lines().filter_map(|row| row.split_once('|'));
        rows.map(|(name, number)| (name.to_owned(), number.parse().unwrap()))
            .collect()
    }
}

/// The jobs that have a lease, each begun that often.
fn each_job(times: u32) -> BTreeMap<String, u32> {
    let jobs = Job::ALL.iter().filter(|job| **job != Job::Clear);
    jobs.map(|job| (job.to_string(), times)).collect()
}

#[test]
fn what_one_node_has_done_the_other_one_serves_next() {
    let Some(nodes) = Nodes::start("two-nodes") else {
        return;
    };
    packages(&nodes);
    the_same_at_once(&nodes);
    nodes.add_user("bob --visibility private");
    tokens(&nodes);
    sessions(&nodes);
    passwords(&nodes);
    guesses(&nodes);
    first_keys(&nodes);
    alternating_apk(&nodes);
    jobs(nodes);
}

fn packages(nodes: &Nodes) {
    let mut before = Vec::new();
    for round in 0..6 {
        let (publishes, serves) = nodes.turn(round);
        let name = format!("p{round}");
        publishes.publish("v1/main", &Package::new(&name, "1.0-r0"));
        let listed = serves.index("v1/main").packages();
        assert_eq!(listed.len(), round + 1, "{listed:?}");
        let now = INDEXES.map(|path| nodes.same(path).require("etag").to_owned());
        assert!(!before.contains(&now), "an index without {name}");
        before.push(now);
        nodes.same(&format!("/v1/main/x86_64/{name}-1.0-r0.apk"));
    }
    for round in 0..4 {
        let (publishes, deletes) = nodes.turn(round);
        let path = format!("/v1/main/x86_64/p{round}-1.0-r0.apk");
        deletes.delete(&path).expect(204);
        let listed = publishes.index("v1/main").packages();
        assert_eq!(listed.len(), 5 - round, "{listed:?}");
        publishes.alpine("admin", &path).expect(404);
        let now = INDEXES.map(|path| nodes.same(path).require("etag").to_owned());
        assert!(!before.contains(&now), "an index from before");
        before.push(now);
    }
}

/// Sends what `call` gives for each node to both at the same moment. Gives the answers.
fn at_once(nodes: &Nodes, call: impl Fn(usize, &Server) -> Answer + Sync) -> [Answer; 2] {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let (call, barrier) = (&call, &barrier);
        let [one, two] = [0, 1].map(|which| {
            scope.spawn(move || {
                barrier.wait();
                call(which, &nodes.both[which])
            })
        });
        [one.join().unwrap(), two.join().unwrap()]
    })
}

fn the_same_at_once(nodes: &Nodes) {
    for round in 0..8 {
        let before = blobs_in(&nodes.objects).len();
        let package = Package::new(&format!("shared{round}"), "1.0-r0");
        let bytes = package.bytes();
        let same_place = round % 2 == 0;
        let places = [
            "/v1/left",
            if same_place { "/v1/left" } else { "/v1/right" },
        ];
        let answers = at_once(nodes, |which, node| {
            let call = node.alpine("admin", places[which]).user(ADMIN);
            call.upload_bytes(&bytes).run()
        });
        let mut statuses = answers.map(|answer| answer.status);
        statuses.sort_unstable();
        let expected = if same_place { [201, 409] } else { [201, 201] };
        assert_eq!(statuses, expected, "{round}");
        assert_eq!(blobs_in(&nodes.objects).len(), before + 1, "{round}");
        for place in places {
            let path = format!("{place}/x86_64/{}", package.file_name());
            assert!(nodes.same(&path).body == bytes);
        }
    }
}

/// The status that an index of bob's repository has at each node, the first one asked first.
fn read_by(first: &Server, second: &Server, header: &str) -> [u16; 2] {
    let path = "/v1/main/x86_64/APKINDEX.tar.gz";
    [first, second].map(|node| node.alpine("bob", path).header(header).run().status)
}

fn tokens(nodes: &Nodes) {
    let bob = credentials_of("bob");
    let [one, two] = &nodes.both;
    let call = one.alpine("bob", "/v1/main").user(&bob);
    let package = Package::new("private", "1.0-r0").bytes();
    call.upload_bytes(&package).expect(201);
    for round in 0..4 {
        let (grants, revokes) = nodes.turn(round);
        let name = format!("ci{round}");
        let wanted = format!(r#"{{"name":"{name}","scopes":["read:package"]}}"#);
        let made = grants
            .curl("/api/v1/users/bob/tokens")
            .user(&bob)
            .json(&wanted)
            .expect(201);
        let token = made.text().split(r#""sha1":""#).nth(1).unwrap();
        let bearer = format!("Authorization: Bearer {}", token.split('"').next().unwrap());
        for _ in 0..2 {
            assert_eq!(read_by(revokes, grants, &bearer), [200, 200]);
        }
        let path = format!("/api/v1/users/bob/tokens/{name}");
        let revoked = revokes.curl(&path).user(&bob).method("DELETE");
        revoked.expect(204);
        assert_eq!(read_by(grants, revokes, &bearer), [401, 401]);
    }
    // Also what is changed on the command line.
    let made = nodes.command(
        "token add --user bob --name laptop --scope read:package",
        "",
    );
    let bearer = format!("Authorization: Bearer {}", made.trim());
    assert_eq!(read_by(one, two, &bearer), [200, 200]);
    nodes.command("token revoke --user bob --name laptop", "");
    assert_eq!(read_by(one, two, &bearer), [401, 401]);
}

/// Signs in with the form. Gives the header with the session's cookie.
fn sign_in(node: &Server, name: &str, password: &str) -> String {
    let answer = node
        .curl("/-/login")
        .header(OWN_PAGE)
        .arg("-d")
        .arg(format!("name={name}&password={password}&to=/"))
        .expect(303);
    let mut cookies = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let session = cookies.find_map(|(_, cookie)| cookie.strip_prefix("tarn="));
    let session = session.and_then(|cookie| cookie.split(';').next());
    format!("Cookie: tarn={}", session.unwrap())
}

/// Whether the settings of an account are shown, at each node.
fn signed_in(first: &Server, second: &Server, session: &str) -> [u16; 2] {
    [first, second].map(|node| {
        let call = node.curl("/-/settings").header("Accept: text/html");
        call.header(session).run().status
    })
}

/// Sets bob's password as an administrator.
fn set_password(node: &Server, password: &str) {
    let call = node.curl("/api/v1/admin/users/bob").user(ADMIN);
    let wanted = format!(r#"{{"password":"{password}"}}"#);
    call.method("PATCH").json(&wanted).expect(200);
}

fn sessions(nodes: &Nodes) {
    let password = password_of("bob");
    for round in 0..4 {
        let (signs_in, other) = nodes.turn(round);
        let session = sign_in(signs_in, "bob", &password);
        assert_eq!(signed_in(other, signs_in, &session), [200, 200]);
        if round < 2 {
            let leave = other.curl("/-/logout").header(&session);
            let leave = leave.header(OWN_PAGE);
            leave.method("POST").expect(303);
        } else {
            set_password(other, &format!("Another-Password-{round}"));
            set_password(signs_in, &password);
        }
        assert_eq!(signed_in(signs_in, other, &session), [303, 303]);
    }
}

fn passwords(nodes: &Nodes) {
    let status = |node: &Server, password: &str| {
        let call = node.curl("/api/v1/user").user(&format!("bob:{password}"));
        call.run().status
    };
    let mut old = password_of("bob");
    for round in 0..4 {
        let (changes, other) = nodes.turn(round);
        let new = format!("Changed-Password-{round}");
        assert_eq!([status(changes, &old), status(other, &old)], [200, 200]);
        set_password(changes, &new);
        assert_eq!([status(other, &old), status(other, &new)], [401, 200]);
        assert_eq!([status(changes, &old), status(changes, &new)], [401, 200]);
        old = new;
    }
}

/// Ten wrong passwords are free, and a few more have to wait for seconds. At one node alone none of these would be refused.
fn guesses(nodes: &Nodes) {
    nodes.add_user("carol");
    let guess = |number: usize| {
        let node = &nodes.both[number % 2];
        let call = node
            .curl("/api/v1/user")
            .user(&format!("carol:guess {number}"));
        // One that has to wait is left.
        call.arg("--max-time").arg("8").run().status
    };
    let guess = &guess;
    let statuses: Vec<u16> = thread::scope(|scope| {
        let guesses: Vec<_> = (0..24)
            .map(|number| scope.spawn(move || guess(number)))
            .collect();
        guesses
            .into_iter()
            .map(|guess| guess.join().unwrap())
            .collect()
    });
    let looked_at = statuses.iter().filter(|status| **status != 429).count();
    assert!((10..20).contains(&looked_at), "{statuses:?}");
    for node in &nodes.both {
        let right = node.curl("/api/v1/user").user(&credentials_of("carol"));
        right.expect(429);
        let other = node.curl("/api/v1/user").user(ADMIN);
        other.expect(200);
    }
}

fn first_keys(nodes: &Nodes) {
    for round in 0..3 {
        let name = format!("owner{round}");
        nodes.add_user(&name);
        let keys = at_once(nodes, |_, node| node.alpine(&name, "/key").expect(200));
        let [one, two] = keys;
        assert_eq!(one.text(), two.text());
        let header = "content-disposition";
        assert_eq!(one.require(header), two.require(header));
    }
    let made = "SELECT COUNT(*) FROM signing_keys WHERE name LIKE 'owner%'";
    assert_eq!(nodes.sql(made), "3\n");
}

/// A balancer hands on each request to the other node than the one before.
fn alternating_apk(nodes: &Nodes) {
    let alpine = found!(alpine_or_leave_out());
    found!(nginx_or_leave_out());
    let [one, two] = &nodes.both;
    let balancer = Nginx::start_over(&Place::below(""), &[one, two]);
    for keyword in ["", "v3 "] {
        let url = format!("{}/api/packages/admin/alpine/v1/main", balancer.base);
        let apk = Apk::new(&alpine, &[format!("{keyword}{url}")]);
        let apk = apk.cached().trusting(one, "admin", "");
        for round in 0..5 {
            let (publishes, _) = nodes.turn(round);
            let name = format!("apk{}-{round}", keyword.trim());
            publishes.publish("v1/main", &Package::new(&name, "1.0-r0"));
            apk.expect(&["update"]);
            apk.expect(&["add", &name]);
            let installed = apk.installed(&format!("usr/share/tarn/{name}"));
            assert_eq!(installed.as_deref(), Some("1.0-r0"));
        }
    }
}

/// Each job was done once since the servers started, and is done once again when it is due.
fn jobs(nodes: Nodes) {
    let swept = |nodes: &Nodes| {
        let logs = nodes.both.each_ref().map(Server::log);
        let count = |log: &String| log.matches("blobs swept").count();
        for log in &logs {
            assert!(!log.contains("ERROR"), "{log}");
        }
        logs.iter().map(count).sum::<usize>()
    };
    assert_eq!(nodes.begun_jobs(), each_job(1));
    assert_eq!(swept(&nodes), 1);
    // A start is no reason to do them again.
    let nodes = nodes.restart(0, Signal::TERM);
    let nodes = nodes.restart(1, Signal::TERM);
    nodes.sql("UPDATE leases SET done_at = 0");
    let nodes = nodes.restart(0, Signal::TERM).restart(1, Signal::TERM);
    nodes.both[0].wait_until(|| nodes.begun_jobs() == each_job(2));
    let logs = nodes.both.each_ref().map(Server::log).concat();
    assert!(!logs.contains("missing or"), "{logs}");
}

#[test]
fn nothing_taken_is_lost_when_one_node_is_killed() {
    let Some(mut nodes) = Nodes::start("two-nodes-killed") else {
        return;
    };
    let mut random = Random::new(20_261_129);
    let first = Package::new("first", "1-r0").file("usr/noise", random.bytes(70_000));
    nodes.both[0].publish("v1/main", &first);
    let mut taken = vec!["first-1-r0".to_owned()];
    for (round, number) in (0..4).zip(0_u32..) {
        let which = round % 2;
        let killed = AtomicBool::new(false);
        let (victim, survivor) = nodes.turn(which);
        let results: Vec<(String, u16)> = thread::scope(|scope| {
            let clients: Vec<_> = [victim, victim, survivor]
                .into_iter()
                .zip(0..)
                .map(|(node, client)| {
                    let killed = &killed;
                    scope.spawn(move || stream_of_uploads(node, number, client, killed))
                })
                .collect();
            // In the middle of it, at any step.
            let enough = taken.len() + 8;
            survivor.wait_until(|| survivor.index("v1/main").packages().len() >= enough);
            thread::sleep(Duration::from_millis(random.below(100)));
            victim.signal(Signal::KILL);
            killed.store(true, Ordering::Relaxed);
            let results = clients.into_iter().map(|client| client.join().unwrap());
            results.collect::<Vec<_>>().concat()
        });
        let accepted = results.into_iter().filter(|(_, status)| *status == 201);
        taken.extend(accepted.map(|(name, _)| name));
        all_there(survivor, &taken);
        nodes = nodes.restart(which, Signal::KILL);
        all_there(&nodes.both[which], &taken);
        let mut left = nodes.both[which].stored_files().into_iter();
        assert_eq!(left.find(|path| path.starts_with("tmp")), None);
    }

    // A sweep finds what the killed ones left, and nothing missing.
    nodes.sql("UPDATE leases SET done_at = 0, ends_at = 0");
    let nodes = nodes.restart(0, Signal::TERM);
    nodes.both[0].wait_for("blobs swept");
    for node in &nodes.both {
        all_there(node, &taken);
        assert!(!node.log().contains("ERROR"), "{}", node.log());
    }
}

/// That each of these is in the index and has its bytes.
fn all_there(node: &Server, packages: &[String]) {
    let listed = node.index("v1/main").packages();
    for name in packages {
        assert!(listed.contains(name), "{name} was answered 201 and is gone");
        let path = format!("/v1/main/x86_64/{name}.apk");
        let served = node.alpine("admin", &path).expect(200);
        assert!(served.body.len() > 60_000, "{served}");
    }
}
