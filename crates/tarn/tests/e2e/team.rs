//! A registry of a team: an organisation over TLS, a token for CI, a private client, and a backup that is restored.

use std::{os::unix::fs::symlink, sync::Arc};

use tarn_testkit::block_of;
use tempfile::TempDir;

use crate::{
    harness::{
        Apk, Package, alpine_or_leave_out,
        server::{Server, TARN, credentials_of},
        shell,
        tools::sqlite3_or_leave_out,
    },
    tls::{self, certificate, folder_with, start},
};

#[test]
fn a_team_publishes_from_ci_installs_privately_and_restores_its_backup() {
    let alpine = found!(alpine_or_leave_out());
    // The backup is that of SQLite.
    if tarn_testkit::on_postgres() || !sqlite3_or_leave_out() {
        return;
    }
    let with_certificate = folder_with("first");
    let server = start(with_certificate.path());
    server.add_user("ann", "public");
    server.add_user("bob", "public");
    let tarn = |line: &str| server.tarn(line).trim().to_owned();
    tarn("org add acme --owner ann --visibility private");
    tarn("org member acme bob --role read");
    let ci = tarn(
        "token add --org acme --name ci --scope write:package,no-delete --limit acme/v3.23/main --expires 90d",
    );
    let ci = format!("Authorization: Bearer {ci}");
    let upload = |repository: &str, name: &str| {
        let call = server.alpine("acme", repository).header(&ci);
        call.upload_bytes(&Package::new(name, "1.0-r0").bytes())
    };
    upload("/v3.23/main", "tool").expect(201);
    upload("/v3.23/main", "other").expect(201);
    upload("/edge/main", "tool").expect(403);
    let file = "/v3.23/main/x86_64/tool-1.0-r0.apk";
    let deleted = server.alpine("acme", file).header(&ci).method("DELETE");
    deleted.expect(401);
    server.alpine("acme", file).expect(401);

    // The machine of bob, with a token of his.
    let bob = server.add_token("bob", "read:package");
    let repository = |base: &str| {
        let base = base.replace("127.0.0.1", "localhost");
        let base = base.replacen("https://", &format!("https://bob:{bob}@"), 1);
        [format!("{base}/api/packages/acme/alpine/v3.23/main")]
    };
    let trusted = certificate("first").to_str().unwrap().to_owned();
    let apk = Apk::new(&alpine, &repository(&server.base)).env("SSL_CERT_FILE", &trusted);
    let apk = apk.trusting(&server, "acme", &credentials_of("ann"));
    apk.expect(&["add", "tool"]);

    // The backup is made beside the running server, with secret.key apart.
    let folder = tempfile::tempdir().unwrap();
    symlink(server.data_folder(), folder.path().join("tarn-data")).unwrap();
    symlink(&*TARN, folder.path().join("tarn")).unwrap();
    let run = |block: &str| shell(block, folder.path(), &[]);
    run(&block_of("docs/backup.md", ".backup"));
    run("mkdir apart && cp -a tarn-data/secret.key apart/ && rm tarn-data");
    upload("/v3.23/main", "later").expect(201);
    let stopped = server.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    drop(stopped);

    let restore = block_of("docs/backup.md", "tarn check-config --data-dir tarn-data");
    run(&restore.replace("/ANOTHER/PLACE", "apart"));
    let data = Arc::new(TempDir::new().unwrap());
    run(&format!("cp -a tarn-data/. {}", data.path().display()));
    let arguments = tls::arguments(with_certificate.path());
    let server = Server::start_on(data, &arguments);
    apk.set_repositories(&repository(&server.base));
    // The same key signs, and bob's token and ann's password count.
    apk.expect(&["add", "other"]);
    apk.expect_failure(&["add", "later"]);
    let path = "/v3.23/main/x86_64/later-1.0-r0.apk";
    let ann = credentials_of("ann");
    server.alpine("acme", path).user(&ann).expect(404);
    let upload = server.alpine("acme", "/v3.23/main").header(&ci);
    let later = Package::new("later", "1.0-r0").bytes();
    upload.upload_bytes(&later).expect(201);
    apk.expect(&["add", "later"]);
}
