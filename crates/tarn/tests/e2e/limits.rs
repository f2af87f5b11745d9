//! Large packages, full disks, bodies over the limit.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use apk::v3::{
    block::{self, BlockKind},
    container,
    schema::{Schema, acl, directory, file, package, package_file},
    value::Value,
    writer::Writer,
};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder},
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{
    harness::{
        Package, Server,
        curl::bare,
        curl_or_leave_out,
        index::Index,
        package::hex,
        random::Random,
        server::{ADMIN, files_below},
        tar,
        tools::{mounts_or_leave_out, unshared_mount},
    },
    races::{content_length, open_upload},
};

/// The size of the file in the large package.
const GIBIBYTE: u64 = 1 << 30;

/// How much more memory the server may need for it, in KiB. Most of it is what the allocator keeps for each thread.
const ALLOWED_GROWTH: u64 = 32 << 10;

/// Writes a data section with one file of `size` bytes that no compressor makes smaller.
fn write_large_data_section(size: u64, output: impl std::io::Write) -> std::io::Result<()> {
    let block = Random::new(99).bytes(1 << 20);
    let blocks = size / block.len() as u64;
    let mut sha1 = Sha1::new();
    (0..blocks).for_each(|_| sha1.update(&block));
    let mut gzip = GzEncoder::new(output, Compression::none());
    gzip.write_all(&tar::checksum(&hex(&sha1.finalize())))?;
    gzip.write_all(&tar::header("large", b'0', 0o644, size))?;
    for _ in 0..blocks {
        gzip.write_all(&block)?;
    }
    gzip.write_all(&[0; 1024])?;
    gzip.finish().map(drop)
}

/// Takes in what is written, and keeps nothing but its hash.
struct Hashing(Sha256);

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The highest resident memory of a process so far, in KiB.
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_package_of_a_gibibyte_streams_through_little_memory() {
    found!(curl_or_leave_out());
    let server = Server::start();
    // The first upload makes the key and warms up everything else.
    let usual = Random::new(1).bytes(1 << 20);
    server.publish(
        "v1/main",
        &Package::new("usual", "1-r0").file("usr/usual", usual),
    );
    server.index("v1/main");
    // The kernel counts a process's memory in batches, so a later peak may read a little lower.
    let before = peak_memory(server.pid());

    let mut hash = Hashing(Sha256::new());
    write_large_data_section(GIBIBYTE, &mut hash).unwrap();
    let datahash = hex(&hash.0.finalize());
    let url = format!("{}/api/packages/admin/alpine/v1/main", server.base);
    let mut curl = bare("-w %{http_code} -T -")
        .args(["-u", ADMIN, &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = curl.stdin.take().unwrap();
    let control = Package::new("large", "1-r0").control_section(&datahash);
    let sent = pipe
        .write_all(&control)
        .and_then(|()| write_large_data_section(GIBIBYTE, &mut pipe));
    drop(pipe);
    let output = curl.wait_with_output().unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert_eq!(answer, "201", "{sent:?}\n{}", server.log());
    let grown = peak_memory(server.pid()).saturating_sub(before);
    assert!(grown < ALLOWED_GROWTH, "the upload took {grown} KiB more");

    let path = format!("{url}/x86_64/large-1-r0.apk");
    let download = bare("-o /dev/null -w %{http_code}+%{size_download}")
        .arg(&path)
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&download.stdout).into_owned();
    let (status, size) = answer.split_once('+').unwrap();
    assert!(
        status == "200" && size.parse::<u64>().unwrap() > GIBIBYTE,
        "{answer}"
    );
    let grown = peak_memory(server.pid()).saturating_sub(before);
    assert!(grown < ALLOWED_GROWTH, "the download took {grown} KiB more");
}

/// How an upload's bytes go out, one at a time.
#[derive(Clone, Copy)]
enum Pieces {
    /// Each as a chunk of `Transfer-Encoding: chunked`.
    Chunks,
    /// Each by itself, after a `Content-Length`.
    Bytes,
}

impl Pieces {
    fn framing(self, length: usize) -> String {
        match self {
            Self::Chunks => "Transfer-Encoding: chunked".to_owned(),
            Self::Bytes => content_length(length),
        }
    }
}

/// The status line, and what comes with it, that a server answers to what was sent.
fn answer_to(mut upload: &TcpStream) -> String {
    let mut answer = [0; 1024];
    let length = upload.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn an_upload_takes_less_than_two_mebibytes_when_its_bytes_come_one_at_a_time() {
    const AT_ONCE: usize = 20;
    /// In KiB.
    const ALLOWED: u64 = AT_ONCE as u64 * (2 << 10);
    found!(curl_or_leave_out());
    let server = Server::start();
    for (name, pieces) in [("chunks", Pieces::Chunks), ("bytes", Pieces::Bytes)] {
        // The first makes the key and warms up everything else.
        server.publish("v1/main", &Package::new(&format!("{name}-first"), "1-r0"));
        let packages: Vec<Vec<u8>> = (0..AT_ONCE)
            .map(|number| {
                let package = Package::new(&format!("{name}{number}"), "1-r0");
                let content = Random::new(number as u64).bytes(5_000);
                package.file("usr/content", content).bytes()
            })
            .collect();
        let before = peak_memory(server.pid());
        let mut uploads: Vec<TcpStream> = packages
            .iter()
            .map(|package| open_upload(&server, &pieces.framing(package.len())))
            .collect();
        // By turns, so that the server has read a byte before the next one comes.
        for place in 0..packages.iter().map(Vec::len).max().unwrap() {
            for (upload, package) in uploads.iter_mut().zip(&packages) {
                let Some(byte) = package.get(place) else {
                    continue;
                };
                let sent = match pieces {
                    Pieces::Chunks => upload.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']),
                    Pieces::Bytes => upload.write_all(&[*byte]),
                };
                sent.unwrap();
            }
        }
        let grown = peak_memory(server.pid()).saturating_sub(before);
        for upload in &mut uploads {
            if matches!(pieces, Pieces::Chunks) {
                upload.write_all(b"0\r\n\r\n").unwrap();
            }
            let answer = answer_to(upload);
            assert!(answer.starts_with("HTTP/1.1 201 "), "{name}: {answer}");
        }
        assert!(
            grown < ALLOWED,
            "{name}: {AT_ONCE} uploads took {grown} KiB more"
        );
    }
    assert_eq!(server.index("v1/main").packages().len(), 2 + 2 * AT_ONCE);
}

/// The start of a v3 package that says it has a database of 15 MiB, of which all but the end is there; compressed to 16 KiB.
fn hostile_v3() -> Vec<u8> {
    let mut file = b"ADB.pckg".to_vec();
    file.extend((15_u32 << 20).to_le_bytes());
    file.resize((15 << 20) - (64 << 10), 0);
    let mut packed = DeflateEncoder::new(b"ADBd".to_vec(), Compression::default());
    packed.write_all(&file).unwrap();
    packed.flush().unwrap();
    // Without the block that ends the stream.
    let mut packed = packed.finish().unwrap();
    packed.truncate(packed.len() - 2);
    packed
}

/// The start of a v3 package compressed with zstd in the window of its level 22: a database with one file of 200 MiB, and of that more
/// zeros than the window holds. Compressed to 5 KiB.
fn hostile_window() -> Vec<u8> {
    let mut writer = Writer::new();
    let size = 200 << 20;
    let text = |writer: &mut Writer, text: &str| writer.blob(text.as_bytes()).unwrap();
    let object = |writer: &mut Writer, slots: usize, fields: &[(usize, Value)]| {
        let mut row = vec![Value::NULL; slots - 1];
        for (slot, value) in fields {
            row[slot - 1] = *value;
        }
        writer.object(&row).unwrap()
    };
    let acl_fields = [
        (acl::MODE, writer.integer(0o644).unwrap()),
        (acl::USER, text(&mut writer, "root")),
        (acl::GROUP, text(&mut writer, "root")),
    ];
    let owner = object(&mut writer, acl::SLOTS, &acl_fields);
    let fields = [
        (file::NAME, text(&mut writer, "zeros")),
        (file::ACL, owner),
        (file::SIZE, writer.integer(size).unwrap()),
        (file::HASHES, writer.blob(&[7; 32]).unwrap()),
    ];
    let files = [object(&mut writer, file::SLOTS, &fields)];
    let fields = [
        (directory::NAME, text(&mut writer, "usr")),
        (directory::ACL, owner),
        (directory::FILES, writer.array(&files).unwrap()),
    ];
    let directories = [object(&mut writer, directory::SLOTS, &fields)];
    let fields = [
        (package::NAME, text(&mut writer, "hostile")),
        (package::VERSION, text(&mut writer, "1.0-r0")),
        (package::ARCH, text(&mut writer, "x86_64")),
        (package::INSTALLED_SIZE, writer.integer(size).unwrap()),
    ];
    let fields = [
        (
            package_file::INFO,
            object(&mut writer, package::SLOTS, &fields),
        ),
        (package_file::PATHS, writer.array(&directories).unwrap()),
    ];
    let root = object(&mut writer, package_file::SLOTS, &fields);
    let mut start = container::start(Schema::Package);
    block::write(&mut start, BlockKind::Adb, &writer.finish(root)).unwrap();
    // The head of the block, and the numbers of the directory and the file.
    start.extend(block::head(BlockKind::Data, 8 + (200 << 20)).unwrap());
    start.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    // The head of a frame, and blocks (RFC 8878, 3.1.1): one as it is, and many of one byte, 128 KiB of it.
    let mut packed = b"ADBc\x02\x16\x28\xb5\x2f\xfd\x00\x88".to_vec();
    let block = |size: usize, kind: usize| (size << 3 | kind << 1).to_le_bytes();
    packed.extend(&block(start.len(), 0)[..3]);
    packed.extend(start);
    for _ in 0..1100 {
        packed.extend(&block(128 << 10, 1)[..3]);
        packed.push(0);
    }
    packed
}

/// Sends so many uploads up to their last byte and then that. Gives how many were refused for lack of memory; the others are no packages.
fn refused_of(server: &Server, count: usize, body: &[u8]) -> usize {
    let length = content_length(body.len() + 1);
    let mut uploads: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut upload = open_upload(server, &length);
            upload.write_all(body).unwrap();
            upload
        })
        .collect();
    // The answer comes once the rest was sent. Some hold what there is until then, and the others are refused.
    std::thread::sleep(Duration::from_secs(2));
    let mut refused = 0;
    for upload in &mut uploads {
        upload.write_all(&[0]).unwrap();
        let answer = answer_to(upload);
        let is_refused = answer.starts_with("HTTP/1.1 503 ");
        assert!(
            is_refused || answer.starts_with("HTTP/1.1 400 "),
            "{answer}"
        );
        refused += usize::from(is_refused);
    }
    refused
}

#[test]
fn many_v3_packages_with_large_databases_or_windows_take_little_memory() {
    let server = Server::start();
    server.publish("v1/main", &Package::new("usual", "1-r0"));
    // What follows holds nothing: stored blocks of deflate, empty blocks of zstd. So the body is as long as a batch of the server, and what
    // it unpacks to gets no further.
    for (mut body, nothing, count) in [
        (hostile_v3(), &[0, 0, 0, 0xff, 0xff][..], 60),
        (hostile_window(), &[0, 0, 0], 20),
    ] {
        let before = peak_memory(server.pid());
        let pieces = (300 << 10) / nothing.len();
        body.extend(nothing.repeat(pieces));
        let refused = refused_of(&server, count, &body);
        assert!((1..count).contains(&refused), "{refused} refused");
        let grown = peak_memory(server.pid()).saturating_sub(before);
        assert!(grown < 300 << 10, "the uploads took {grown} KiB more");
    }
    server.publish("v1/main", &Package::new("usual", "2-r0"));
}

/// A server whose data folder is a file system of its own, of `size` mebibytes.
fn server_on_small_disk(size: u32) -> Server {
    let mut wrapper = unshared_mount();
    let script = format!("mount -t tmpfs -o size={size}m tarn-test \"$DATA\" && exec \"$@\"");
    wrapper.args(["sh", "-c", &script, "sh"]);
    Server::start_below(wrapper)
}

/// The data folder as the server sees it: the mount is in its own name space.
fn folder_inside(server: &Server) -> PathBuf {
    let outside = server.data_folder();
    let inside = format!("/proc/{}/root", server.pid());
    Path::new(&inside).join(outside.strip_prefix("/").unwrap())
}

#[test]
fn a_full_disk_gives_507_and_the_server_goes_on() {
    if curl_or_leave_out().is_none() || !mounts_or_leave_out() {
        return;
    }
    let server = server_on_small_disk(40);
    server.publish("v1/main", &Package::new("first", "1-r0"));
    let before = files_below(&folder_inside(&server));
    assert!(
        !before.is_empty(),
        "the folder of the server is not to be seen"
    );
    let content = Random::new(17).bytes(60 << 20);
    let large = Package::new("large", "1-r0")
        .file("usr/large", content)
        .bytes();
    for _ in 0..3 {
        let answer = server.upload("admin", "v1/main", &large).expect(507);
        answer.assert_plain_refusal();
        assert_eq!(files_below(&folder_inside(&server)), before);
    }
    assert_eq!(server.index("v1/main").packages(), ["first-1-r0"]);
    server.publish("v1/main", &Package::new("second", "1-r0"));
    assert_eq!(
        server.index("v1/main").packages(),
        ["first-1-r0", "second-1-r0"]
    );

    // An owner who has a package, and no key yet: that is made with the first index.
    let carol = r#"{"username":"carol","password":"carol-Password-1"}"#;
    let add = server.curl("/api/v1/admin/users").user(ADMIN);
    add.json(carol).expect(201);
    let upload = server
        .alpine("carol", "/v1/main")
        .user("carol:carol-Password-1");
    let own = Package::new("own", "1-r0").bytes();
    upload.upload_bytes(&own).expect(201);

    // Filled up to the last block, so that even the database has no room; then there is room again.
    let ballast = folder_inside(&server).join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    let zeros = vec![0; 1 << 16];
    while file.write_all(&zeros).is_ok() {}
    drop(file);
    let upload = server.alpine("admin", "/v1/main").user(ADMIN);
    let third = Package::new("third", "1-r0").bytes();
    upload
        .upload_bytes(&third)
        .expect(507)
        .assert_plain_refusal();
    assert_eq!(server.index("v1/main").packages().len(), 2);
    let (index, key) = ("/v1/main/x86_64/APKINDEX.tar.gz", "/key");
    let of_carol = |path| server.alpine("carol", path).user(ADMIN);
    if folder_inside(&server).join("tarn.db").exists() {
        for path in [index, key] {
            of_carol(path).expect(507).assert_plain_refusal();
        }
    }
    fs::remove_file(ballast).unwrap();
    let made = Index::read(&of_carol(index).expect(200).body);
    assert_eq!(made.packages(), ["own-1-r0"]);
    assert!(of_carol(key).expect(200).text().contains("PUBLIC KEY"));
    server.publish("v1/main", &Package::new("third", "1-r0"));
    assert_eq!(server.index("v1/main").packages().len(), 3);
    assert_eq!(server.stop().status.code(), Some(0));
}

#[test]
fn a_write_beyond_the_limit_on_file_sizes_gives_507_and_the_server_goes_on() {
    found!(curl_or_leave_out());
    let mut wrapper = Command::new("sh");
    // Blocks of 512 or of 1,024 bytes. Without a handler the signal that comes with it would end the server.
    wrapper.args(["-c", "ulimit -f 20480; exec \"$@\"", "sh"]);
    let server = Server::start_below(wrapper);
    server.publish("v1/main", &Package::new("first", "1-r0"));
    let before = server.stored_files();
    let content = Random::new(17).bytes(40 << 20);
    let large = Package::new("large", "1-r0")
        .file("usr/large", content)
        .bytes();
    server
        .upload("admin", "v1/main", &large)
        .expect(507)
        .assert_plain_refusal();
    assert_eq!(server.stored_files(), before);
    server.publish("v1/main", &Package::new("second", "1-r0"));
    assert_eq!(
        server.index("v1/main").packages(),
        ["first-1-r0", "second-1-r0"]
    );
    assert_eq!(server.stop().status.code(), Some(0));
}
