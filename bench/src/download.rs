//! GET of indexes and packages, plain and over TLS, against nginx serving the same files.

use std::{fs, path::Path, process::Command, thread::sleep, time::Duration};

mod cold;

use crate::{
    Effort, Result,
    content::same_bytes,
    corpus::{self, Entry},
    http::Connection,
    measure::{Digits, Samples, Seconds, cpu_of, seconds_by},
    report::{Goal, Row, Table},
    servers::{
        nginx::Nginx,
        tarn::{Tarn, file_of, index_of},
    },
    tools::WorkFolder,
};

const INDEXED: &str = "indexed";
const FILES: &str = "files";

/// What wrk reports: complete answers, bytes, microseconds, answers that failed.
const SCRIPT: &str = r#"
done = function(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.bytes, summary.duration, failed))
end
"#;

/// One path, on both servers.
struct Target {
    name: String,
    tarn_path: String,
    nginx_path: String,
    /// Asks with the date it was given, as apk does, and gets 304.
    conditional: bool,
    /// What is sent along to Tarn and to nginx for that.
    headers: (Vec<String>, Vec<String>),
    /// CPU of the server, and of server and wrk together, as a part of the same with nginx.
    goals: (Goal, Goal),
}

/// How many connections wrk has, and how many threads for them.
const LOADS: [(usize, usize); 2] = [(8, 1), (64, 2)];

/// What a server did in one run of wrk.
struct Load {
    requests: f64,
    bytes: f64,
    seconds: f64,
    /// CPU seconds of the server.
    cpu: f64,
    /// CPU seconds of wrk.
    client_cpu: f64,
}

struct Bench {
    tarn: Tarn,
    nginx: Nginx,
    folder: WorkFolder,
    seconds: usize,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort, binary: &Path) -> Result<Table> {
    let packages = if effort.quick { 2_000 } else { 30_000 };
    let folder = WorkFolder::new("download")?;
    let mut bench = Bench {
        tarn: Tarn::start(binary, folder.path())?,
        nginx: Nginx::start(folder.path())?,
        folder,
        seconds: if effort.quick { 1 } else { 3 },
    };
    let mut targets = bench.prepare(packages)?;
    for target in &mut targets {
        bench.look(target)?;
    }
    let rounds = if effort.quick { 2 } else { 5 };
    let mut rows = cold::run(&bench.tarn, &bench.nginx, &targets)?;
    for scheme in ["http", "https"] {
        if scheme == "https" {
            let folder = bench.folder.path();
            bench.tarn = bench.tarn.restart_over_tls(binary, folder)?;
        }
        for target in &targets {
            for load in LOADS {
                rows.extend(bench.compare(scheme, target, load, rounds)?);
            }
        }
    }
    Ok(Table {
        name: "download",
        how: format!(
            "Over loopback, wrk on the same machine, {} seconds for each of {rounds} rounds in turns. nginx: \
             two workers, sendfile, tcp_nopush, keep-alive, the same bytes. Neither logs its requests. CPU is that of the server, all its threads or workers, \
             user and system. With sendfile the receiver reads the memory of the sender, so the sum of server and wrk is told too. \
             TLS is 1.3 with a certificate of P-256 for both. {}",
            bench.seconds,
            cold::HOW
        ),
        rows,
    })
}

impl Bench {
    /// Publishes what is asked for, and gives nginx the same.
    fn prepare(&self, packages: usize) -> Result<Vec<Target>> {
        let entries = corpus::entries(packages + 5, 21);
        let (large, indexed) = entries.split_at(5);
        self.tarn
            .push(INDEXED, 8, indexed, |entry| entry.package(500))?;
        let mut connection = self.tarn.connect()?;
        let index = connection.get(&index_of(INDEXED))?.expect(200)?.body;
        fs::write(self.nginx.files().join("APKINDEX.tar.gz"), &index)?;

        let mut targets = Vec::new();
        for (conditional, goal) in [(true, 1.3), (false, 1.0)] {
            let status = if conditional { "304" } else { "200" };
            targets.push(Target {
                name: format!(
                    "index of {packages} packages ({:.1} MB), {status}",
                    index.len() as f64 / 1e6
                ),
                tarn_path: index_of(INDEXED),
                nginx_path: "/APKINDEX.tar.gz".to_owned(),
                conditional,
                headers: (Vec::new(), Vec::new()),
                goals: (Goal::AtMost(goal), Goal::None),
            });
        }
        let sizes = [
            ("10 KB", 10_000),
            ("100 KB", 100_000),
            ("1 MB", 1_000_000),
            ("5 MB", 5_000_000),
            ("50 MB", 50_000_000),
        ];
        for ((name, size), entry) in sizes.into_iter().zip(large) {
            let file = self.publish(&mut connection, entry, size)?;
            targets.push(Target {
                name: format!("package of {name}"),
                tarn_path: file_of(FILES, &file),
                nginx_path: format!("/{file}"),
                conditional: false,
                headers: (Vec::new(), Vec::new()),
                goals: if size > 1_000_000 {
                    (Goal::AtMost(2.5), Goal::AtMost(1.0))
                } else {
                    (Goal::AtMost(1.3), Goal::None)
                },
            });
        }
        Ok(targets)
    }

    fn publish(&self, connection: &mut Connection, entry: &Entry, size: u64) -> Result<String> {
        // What a package is besides its content: headers of tar, and the control section.
        let frame = entry.package(0).len() as u64;
        let package = entry.package(size - frame);
        self.tarn.put(connection, FILES, &package)?;
        let file = entry.file_name();
        fs::write(self.nginx.files().join(&file), &package)?;
        Ok(file)
    }

    /// Makes sure that both servers give the same bytes, and finds out what leads to 304.
    fn look(&self, target: &mut Target) -> Result<()> {
        let (mut tarn, mut nginx) = (self.tarn.connect()?, self.nginx.connect()?);
        target.headers = (
            conditions(&mut tarn, &target.tarn_path, target)?,
            conditions(&mut nginx, &target.nginx_path, target)?,
        );
        let one = tarn.get(&target.tarn_path)?.expect(200)?;
        let other = nginx.get(&target.nginx_path)?.expect(200)?;
        same_bytes(&target.name, &one.body, &other.body)
    }

    fn compare(
        &self,
        scheme: &str,
        target: &Target,
        load: (usize, usize),
        rounds: usize,
    ) -> Result<Vec<Row>> {
        let nginx_address = match scheme {
            "https" => self.nginx.tls_address(),
            _ => self.nginx.address(),
        };
        let tarn_url = format!("{scheme}://{}{}", self.tarn.address(), target.tarn_path);
        let nginx_url = format!("{scheme}://{nginx_address}{}", target.nginx_path);
        let (mut tarn, mut nginx) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (ours, theirs) = (&target.headers.0, &target.headers.1);
            tarn.push(self.load(|| self.tarn.cpu(), &tarn_url, ours, load)?);
            nginx.push(self.load(|| self.nginx.cpu(), &nginx_url, theirs, load)?);
        }
        let tls = if scheme == "https" { ", TLS" } else { "" };
        let name = format!("{}, {} connections{tls}", target.name, load.0);
        Ok(rows(&name, target, &tarn, &nginx))
    }

    /// Has wrk ask for one URL for a while. `clock` reads the CPU time of the server.
    fn load(
        &self,
        clock: impl Fn() -> Result<Duration>,
        url: &str,
        headers: &[String],
        (connections, threads): (usize, usize),
    ) -> Result<Load> {
        let script = self.folder.path().join("wrk.lua");
        fs::write(&script, SCRIPT)?;
        let mut command = Command::new("wrk");
        command
            .arg(format!("-t{threads}"))
            .arg(format!("-c{connections}"))
            .arg(format!("-d{}s", self.seconds))
            // 64 downloads of 50 MB share the line: by default an answer may take 2 s.
            .args(["--timeout", "30s"])
            .arg("-s")
            .arg(&script);
        for header in headers {
            command.arg("-H").arg(header);
        }
        let ((output, client_cpu), cpu) = seconds_by(clock, || cpu_of(command.arg(url)))?;
        let line = output.lines().find_map(|line| line.strip_prefix("RESULT "));
        let numbers = line
            .ok_or("wrk told no result")?
            .split(' ')
            .map(str::parse)
            .collect::<std::result::Result<Vec<f64>, _>>()?;
        match *numbers {
            [requests, bytes, micros, 0.0] if requests > 0.0 || bytes > 0.0 => Ok(Load {
                requests,
                bytes,
                seconds: micros / 1e6,
                cpu,
                client_cpu,
            }),
            _ => Err(format!("no ratio for {url}: wrk reported failures: {output}").into()),
        }
    }
}

/// The headers with which a target is asked for. Makes sure that they lead to 304: a date that a later change could share
/// is not given away by Tarn for some seconds, and until then it leads to 200.
fn conditions(connection: &mut Connection, path: &str, target: &Target) -> Result<Vec<String>> {
    if !target.conditional {
        return Ok(Vec::new());
    }
    for _ in 0..20 {
        let answer = connection.get(path)?.expect(200)?;
        let date = answer.header("last-modified")?;
        let again = connection.request("GET", path, &[("If-Modified-Since", date)], &[])?;
        if again.status == 304 {
            return Ok(vec![format!("If-Modified-Since: {date}")]);
        }
        sleep(Duration::from_secs(1));
    }
    Err(format!("no ratio for {}: {path} leads to no 304", target.name).into())
}

/// What one run of wrk says about a server.
type Measure = fn(&Load) -> f64;

fn rows(name: &str, target: &Target, tarn: &[Load], nginx: &[Load]) -> Vec<Row> {
    let per = |loads: &[Load], of: Measure| -> Samples { loads.iter().map(of).collect() };
    let seconds = |what: &str, of: &str, measure: Measure, (by, unit): (f64, &str)| {
        let sides = (&per(tarn, measure), &per(nginx, measure));
        Row::new(format!("{name}: {what}"), of, sides, |one| {
            Seconds(one * by)
        })
        .unit(unit)
    };
    let for_requests = (1e5, "for 100,000 requests");
    let per_request: Measure = |load| load.cpu / load.requests;
    // An answer without a body is paid by the request; of the others, those cut off at the end count by their bytes.
    let (cost, sum, unit): (Measure, Measure, _) = if target.conditional {
        let sum: Measure = |load| (load.cpu + load.client_cpu) / load.requests;
        (per_request, sum, for_requests)
    } else {
        let sum: Measure = |load| (load.cpu + load.client_cpu) / load.bytes;
        (|load| load.cpu / load.bytes, sum, (1e9, "for 1 GB"))
    };
    let mut cpu = seconds("CPU", "nginx's CPU", cost, unit);
    if !target.conditional {
        let by_request = seconds("CPU", "nginx's CPU", per_request, for_requests);
        cpu.sides = format!("{}; {}", cpu.sides, by_request.sides);
    }
    let both = "CPU of server and wrk together";
    let rates = [tarn, nginx].map(|loads| per(loads, |load| load.requests / load.seconds));
    vec![
        cpu.goal(target.goals.0),
        seconds(both, "the same with nginx", sum, unit).goal(target.goals.1),
        Row::new(
            format!("{name}: requests a second"),
            "nginx's",
            (&rates[0], &rates[1]),
            Digits,
        )
        .at_least(0.9),
    ]
}
