//! The whole table over the wire: who asks, by which credentials, of which owner, for what. Every answer is written down.

use std::{collections::HashMap, time::Duration};

use tarn_base::{names::TeamName, secret::Secret};
use tarn_core::access::TokenRequest;
use tarn_store::metadata::{OwnerKind, Role, Visibility};

use crate::{
    client::{Request, delete, get, head, put},
    server::{BY, TestServer, name, package, password},
};

/// The owners, in the order of the columns.
const OWNERS: [(&str, OwnerKind, Visibility); 6] = [
    ("puser", OwnerKind::User, Visibility::Public),
    ("luser", OwnerKind::User, Visibility::Limited),
    ("vuser", OwnerKind::User, Visibility::Private),
    ("porg", OwnerKind::Organisation, Visibility::Public),
    ("lorg", OwnerKind::Organisation, Visibility::Limited),
    ("vorg", OwnerKind::Organisation, Visibility::Private),
];

/// A cell is what is answered to reading, publishing and deleting, first in edge/main, then in edge/testing: `+` it is done
/// (200, 201, 204), `1` 401, `3` 403.
///
/// Who asks: `owner` is the user of the column, or an admin of its organisation; `reader`, `writer` and `ci` are in teams of
/// every organisation, `ci` in one that writes edge/testing alone; `disabled` is a site administrator and an admin of every
/// organisation, and disabled; `machine` comes with a token of the organisation of the column (of `porg` in those of users),
/// `other-machine` with one of another organisation.
///
/// By what: a password, a wrong one, or a token. `write` is sent in three forms. `public` writes public owners alone;
/// `limited` writes */edge/testing, `elsewhere` other/*/*; `here` is for the network that the tests ask from, `network` for
/// another one.
const TABLE: &str = "
nobody        nothing           +11/+11 111/111 111/111 +11/+11 111/111 111/111
stranger      password          +33/+33 +33/+33 333/333 +33/+33 +33/+33 333/333
stranger      read              +11/+11 +11/+11 311/311 +11/+11 +11/+11 311/311
stranger      write             +33/+33 +33/+33 333/333 +33/+33 +33/+33 333/333
stranger      write-as-password +33/+33 +33/+33 333/333 +33/+33 +33/+33 333/333
stranger      write-as-name     +33/+33 +33/+33 333/333 +33/+33 +33/+33 333/333
stranger      public            +33/+33 333/333 333/333 +33/+33 333/333 333/333
stranger      delete            +13/+13 +13/+13 313/313 +13/+13 +13/+13 313/313
stranger      no-delete         +31/+31 +31/+31 331/331 +31/+31 +31/+31 331/331
stranger      admin             111/111 111/111 111/111 111/111 111/111 111/111
stranger      limited           333/+33 333/+33 333/333 333/+33 333/+33 333/333
stranger      elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
stranger      here              +33/+33 +33/+33 333/333 +33/+33 +33/+33 333/333
stranger      network           111/111 111/111 111/111 111/111 111/111 111/111
stranger      expired           111/111 111/111 111/111 111/111 111/111 111/111
stranger      wrong             111/111 111/111 111/111 111/111 111/111 111/111
owner         password          +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
owner         read              +11/+11 +11/+11 +11/+11 +11/+11 +11/+11 +11/+11
owner         write             +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
owner         write-as-password +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
owner         write-as-name     +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
owner         public            +++/+++ 333/333 333/333 +++/+++ 333/333 333/333
owner         delete            +1+/+1+ +1+/+1+ +1+/+1+ +1+/+1+ +1+/+1+ +1+/+1+
owner         no-delete         ++1/++1 ++1/++1 ++1/++1 ++1/++1 ++1/++1 ++1/++1
owner         admin             111/111 111/111 111/111 111/111 111/111 111/111
owner         limited           333/+++ 333/+++ 333/+++ 333/+++ 333/+++ 333/+++
owner         elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
owner         here              +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
owner         network           111/111 111/111 111/111 111/111 111/111 111/111
owner         expired           111/111 111/111 111/111 111/111 111/111 111/111
owner         wrong             111/111 111/111 111/111 111/111 111/111 111/111
reader        password          +33/+33 +33/+33 333/333 +33/+33 +33/+33 +33/+33
reader        read              +11/+11 +11/+11 311/311 +11/+11 +11/+11 +11/+11
reader        write             +33/+33 +33/+33 333/333 +33/+33 +33/+33 +33/+33
reader        write-as-password +33/+33 +33/+33 333/333 +33/+33 +33/+33 +33/+33
reader        write-as-name     +33/+33 +33/+33 333/333 +33/+33 +33/+33 +33/+33
reader        public            +33/+33 333/333 333/333 +33/+33 333/333 333/333
reader        delete            +13/+13 +13/+13 313/313 +13/+13 +13/+13 +13/+13
reader        no-delete         +31/+31 +31/+31 331/331 +31/+31 +31/+31 +31/+31
reader        admin             111/111 111/111 111/111 111/111 111/111 111/111
reader        limited           333/+33 333/+33 333/333 333/+33 333/+33 333/+33
reader        elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
reader        here              +33/+33 +33/+33 333/333 +33/+33 +33/+33 +33/+33
reader        network           111/111 111/111 111/111 111/111 111/111 111/111
reader        expired           111/111 111/111 111/111 111/111 111/111 111/111
reader        wrong             111/111 111/111 111/111 111/111 111/111 111/111
writer        password          +33/+33 +33/+33 333/333 +++/+++ +++/+++ +++/+++
writer        read              +11/+11 +11/+11 311/311 +11/+11 +11/+11 +11/+11
writer        write             +33/+33 +33/+33 333/333 +++/+++ +++/+++ +++/+++
writer        write-as-password +33/+33 +33/+33 333/333 +++/+++ +++/+++ +++/+++
writer        write-as-name     +33/+33 +33/+33 333/333 +++/+++ +++/+++ +++/+++
writer        public            +33/+33 333/333 333/333 +++/+++ 333/333 333/333
writer        delete            +13/+13 +13/+13 313/313 +1+/+1+ +1+/+1+ +1+/+1+
writer        no-delete         +31/+31 +31/+31 331/331 ++1/++1 ++1/++1 ++1/++1
writer        admin             111/111 111/111 111/111 111/111 111/111 111/111
writer        limited           333/+33 333/+33 333/333 333/+++ 333/+++ 333/+++
writer        elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
writer        here              +33/+33 +33/+33 333/333 +++/+++ +++/+++ +++/+++
writer        network           111/111 111/111 111/111 111/111 111/111 111/111
writer        expired           111/111 111/111 111/111 111/111 111/111 111/111
writer        wrong             111/111 111/111 111/111 111/111 111/111 111/111
ci            password          +33/+33 +33/+33 333/333 +33/+++ +33/+++ +33/+++
ci            read              +11/+11 +11/+11 311/311 +11/+11 +11/+11 +11/+11
ci            write             +33/+33 +33/+33 333/333 +33/+++ +33/+++ +33/+++
ci            write-as-password +33/+33 +33/+33 333/333 +33/+++ +33/+++ +33/+++
ci            write-as-name     +33/+33 +33/+33 333/333 +33/+++ +33/+++ +33/+++
ci            public            +33/+33 333/333 333/333 +33/+++ 333/333 333/333
ci            delete            +13/+13 +13/+13 313/313 +13/+1+ +13/+1+ +13/+1+
ci            no-delete         +31/+31 +31/+31 331/331 +31/++1 +31/++1 +31/++1
ci            admin             111/111 111/111 111/111 111/111 111/111 111/111
ci            limited           333/+33 333/+33 333/333 333/+++ 333/+++ 333/+++
ci            elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
ci            here              +33/+33 +33/+33 333/333 +33/+++ +33/+++ +33/+++
ci            network           111/111 111/111 111/111 111/111 111/111 111/111
ci            expired           111/111 111/111 111/111 111/111 111/111 111/111
ci            wrong             111/111 111/111 111/111 111/111 111/111 111/111
site-admin    password          +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
site-admin    read              +11/+11 +11/+11 +11/+11 +11/+11 +11/+11 +11/+11
site-admin    write             +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
site-admin    write-as-password +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
site-admin    write-as-name     +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
site-admin    public            +++/+++ 333/333 333/333 +++/+++ 333/333 333/333
site-admin    delete            +1+/+1+ +1+/+1+ +1+/+1+ +1+/+1+ +1+/+1+ +1+/+1+
site-admin    no-delete         ++1/++1 ++1/++1 ++1/++1 ++1/++1 ++1/++1 ++1/++1
site-admin    admin             111/111 111/111 111/111 111/111 111/111 111/111
site-admin    limited           333/+++ 333/+++ 333/+++ 333/+++ 333/+++ 333/+++
site-admin    elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
site-admin    here              +++/+++ +++/+++ +++/+++ +++/+++ +++/+++ +++/+++
site-admin    network           111/111 111/111 111/111 111/111 111/111 111/111
site-admin    expired           111/111 111/111 111/111 111/111 111/111 111/111
site-admin    wrong             111/111 111/111 111/111 111/111 111/111 111/111
disabled      password          111/111 111/111 111/111 111/111 111/111 111/111
disabled      write             111/111 111/111 111/111 111/111 111/111 111/111
machine       read              +11/+11 311/311 311/311 +11/+11 +11/+11 +11/+11
machine       write             +33/+33 333/333 333/333 +++/+++ +++/+++ +++/+++
machine       write-as-password +33/+33 333/333 333/333 +++/+++ +++/+++ +++/+++
machine       write-as-name     +33/+33 333/333 333/333 +++/+++ +++/+++ +++/+++
machine       public            +33/+33 333/333 333/333 +++/+++ 333/333 333/333
machine       delete            +13/+13 313/313 313/313 +1+/+1+ +1+/+1+ +1+/+1+
machine       no-delete         +31/+31 331/331 331/331 ++1/++1 ++1/++1 ++1/++1
machine       limited           333/+33 333/333 333/333 333/+++ 333/+++ 333/+++
machine       elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
machine       here              +33/+33 333/333 333/333 +++/+++ +++/+++ +++/+++
machine       network           111/111 111/111 111/111 111/111 111/111 111/111
machine       expired           111/111 111/111 111/111 111/111 111/111 111/111
other-machine read              +11/+11 311/311 311/311 +11/+11 311/311 311/311
other-machine write             +33/+33 333/333 333/333 +33/+33 333/333 333/333
other-machine write-as-password +33/+33 333/333 333/333 +33/+33 333/333 333/333
other-machine write-as-name     +33/+33 333/333 333/333 +33/+33 333/333 333/333
other-machine public            +33/+33 333/333 333/333 +33/+33 333/333 333/333
other-machine delete            +13/+13 313/313 313/313 +13/+13 313/313 313/313
other-machine no-delete         +31/+31 331/331 331/331 +31/+31 331/331 331/331
other-machine limited           333/+33 333/333 333/333 333/+33 333/333 333/333
other-machine elsewhere         333/333 333/333 333/333 333/333 333/333 333/333
other-machine here              +33/+33 333/333 333/333 +33/+33 333/333 333/333
other-machine network           111/111 111/111 111/111 111/111 111/111 111/111
other-machine expired           111/111 111/111 111/111 111/111 111/111 111/111
";

/// The scopes and limits of the forms of a token, and whether it can be used at all from here and now.
fn request_for(form: &str) -> TokenRequest<'static> {
    let request = |scopes: &str| TokenRequest::new("", scopes.parse().unwrap());
    match form {
        "read" => request("read:package"),
        "public" => request("write:package,public-only"),
        "delete" => request("delete:package"),
        "no-delete" => request("write:package,no-delete"),
        "admin" => request("admin"),
        "limited" => TokenRequest {
            limits: "*/edge/testing".parse().unwrap(),
            ..request("write:package")
        },
        "elsewhere" => TokenRequest {
            limits: "other/*/*".parse().unwrap(),
            ..request("write:package")
        },
        "here" => TokenRequest {
            networks: "127.0.0.0/8".parse().unwrap(),
            ..request("write:package")
        },
        "network" => TokenRequest {
            networks: "192.0.2.0/24".parse().unwrap(),
            ..request("write:package")
        },
        "expired" => TokenRequest {
            lifetime: Some(Duration::from_secs(1)),
            ..request("write:package")
        },
        _ => request("write:package"),
    }
}

struct World {
    server: TestServer,
    tokens: HashMap<(String, String), String>,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        for (owner, kind, visibility) in OWNERS {
            match kind {
                OwnerKind::User => server.add_user(owner, visibility).await,
                OwnerKind::Organisation => server.add_organisation(owner, visibility).await,
            }
        }
        server.add_organisation("other", Visibility::Public).await;
        for user in ["stranger", "reader", "writer", "ci", "boss", "root", "gone"] {
            server.add_user(user, Visibility::Public).await;
        }
        let accounts = server.accounts();
        let team = TeamName::parse("ci").unwrap();
        for organisation in ["porg", "lorg", "vorg"] {
            for (user, role) in [
                ("reader", Role::Read),
                ("writer", Role::Write),
                ("boss", Role::Admin),
                ("gone", Role::Admin),
            ] {
                server.set_member(organisation, user, role).await;
            }
            let organisation = name(organisation);
            let limits = "edge/testing".parse().unwrap();
            accounts
                .add_team(&organisation, &team, Role::Write, &limits, &BY)
                .await
                .unwrap();
            accounts
                .add_team_member(&organisation, &team, &name("ci"), &BY)
                .await
                .unwrap();
        }
        for administrator in ["root", "gone"] {
            let administrator = name(administrator);
            accounts.set_admin(&administrator, true, &BY).await.unwrap();
        }
        accounts
            .set_disabled(&name("gone"), true, &BY)
            .await
            .unwrap();
        Self {
            server,
            tokens: HashMap::new(),
        }
    }

    /// The account of the table's `who` at an owner.
    fn account(who: &str, owner: &str) -> (OwnerKind, &'static str) {
        let own = OWNERS.iter().find(|(found, ..)| *found == owner).unwrap();
        match (who, own.1) {
            ("machine", OwnerKind::Organisation) => (OwnerKind::Organisation, own.0),
            ("machine", OwnerKind::User) => (OwnerKind::Organisation, "porg"),
            ("other-machine", _) => (OwnerKind::Organisation, "other"),
            ("owner", OwnerKind::User) => (OwnerKind::User, own.0),
            ("owner", OwnerKind::Organisation) => (OwnerKind::User, "boss"),
            ("reader", _) => (OwnerKind::User, "reader"),
            ("writer", _) => (OwnerKind::User, "writer"),
            ("ci", _) => (OwnerKind::User, "ci"),
            ("site-admin", _) => (OwnerKind::User, "root"),
            ("disabled", _) => (OwnerKind::User, "gone"),
            ("stranger", _) => (OwnerKind::User, "stranger"),
            _ => panic!("nobody is called {who}"),
        }
    }

    /// The token of an account in a form, made once.
    async fn token(&mut self, kind: OwnerKind, account: &str, form: &str) -> String {
        let key = (account.to_owned(), form.to_owned());
        if let Some(token) = self.tokens.get(&key) {
            return token.clone();
        }
        let request = TokenRequest {
            label: form,
            ..request_for(form)
        };
        let made = self.server.accounts();
        let made = made
            .add_token(kind, &name(account), &request, None, &BY)
            .await;
        let secret: Secret = made.unwrap().1;
        if form == "expired" {
            self.server.clock.advance(Duration::from_secs(1));
        }
        let token = secret.expose().to_owned();
        self.tokens.insert(key, token.clone());
        token
    }

    /// What signs a request of that row.
    async fn signer(
        &mut self,
        who: &str,
        form: &str,
        owner: &str,
    ) -> impl Fn(Request) -> Request + use<> {
        let (account, secret) = match form {
            "nothing" => (String::new(), String::new()),
            "password" | "wrong" => {
                let account = Self::account(who, owner).1;
                let right = password(account);
                let wrong = form == "wrong";
                (account.to_owned(), if wrong { right + "?" } else { right })
            }
            form => {
                let (kind, account) = Self::account(who, owner);
                (String::new(), self.token(kind, account, form).await)
            }
        };
        let form = form.to_owned();
        move |request: Request| match form.as_str() {
            "nothing" => request,
            "password" | "wrong" => request.basic(&account, &secret),
            "write-as-password" => request.basic("anybody", &secret),
            "write-as-name" => request.basic(&secret, "x-oauth-basic"),
            "write" => request.header("Authorization", &format!("token {secret}")),
            _ => request.bearer(&secret),
        }
    }

    /// Whatever is read of an owner is answered alike, and what is not there like what is hidden.
    async fn ask_for_the_rest(&self, sign: impl Fn(Request) -> Request, owner: &str) {
        let base = format!("/api/packages/{owner}/alpine");
        let status = async |path: &str| {
            let target = format!("{base}/{path}");
            let got = self.server.send(&sign(get(&target))).await;
            let by_head = self.server.send(&sign(head(&target))).await;
            assert_eq!(got.status, by_head.status, "{target}");
            assert!(got.status == 200 || got.header("ETag").is_none());
            got.status
        };
        let index = status("edge/main/x86_64/APKINDEX.tar.gz").await;
        for path in [
            "key",
            "edge/main/x86_64/Packages.adb",
            "edge/main/x86_64/packages.adb",
        ] {
            assert_eq!(status(path).await, index, "{base}/{path}");
        }
        let absent = if index == 200 { 404 } else { index };
        assert_eq!(status("none/main/x86_64/APKINDEX.tar.gz").await, absent);
    }

    /// The three letters of a cell, asked of a place that has the package `seed`.
    async fn ask(&self, sign: impl Fn(Request) -> Request, owner: &str, place: &str) -> String {
        let base = format!("/api/packages/{owner}/alpine/{place}");
        let status = async |request: Request| self.server.send(&request).await.status;
        let root = |request: Request| request.basic("root", &password("root"));
        let index = status(sign(get(format!("{base}/x86_64/APKINDEX.tar.gz")))).await;
        let file = status(sign(head(format!("{base}/x86_64/seed-1.0-r0.apk")))).await;
        assert_eq!(index, file, "{base}");
        let published = status(sign(put(&base, package("new", "x86_64")))).await;
        // What was published is deleted again; where nothing was, what is there is in danger.
        let target = if published == 201 { "new" } else { "seed" };
        let path = format!("{base}/x86_64/{target}-1.0-r0.apk");
        let deleted = status(sign(delete(&path))).await;
        match (published, deleted) {
            (201, 204) => {}
            (201, _) => assert_eq!(status(root(delete(&path))).await, 204),
            (_, 204) => {
                let seed = put(&base, package("seed", "x86_64"));
                assert_eq!(status(root(seed)).await, 201);
            }
            _ => {}
        }
        [(index, 200), (published, 201), (deleted, 204)]
            .into_iter()
            .map(|(status, done)| match status {
                401 => '1',
                403 => '3',
                status if status == done => '+',
                status => panic!("{status} at {base}"),
            })
            .collect()
    }
}

#[tokio::test]
async fn every_answer_to_every_caller() {
    let mut world = World::new().await;
    for (owner, ..) in OWNERS {
        for place in ["edge/main", "edge/testing"] {
            let (place, seed) = (format!("{owner}/alpine/{place}"), package("seed", "x86_64"));
            world.server.publish_by("root", &place, seed).await;
        }
    }
    let mut rows = 0;
    let mut wrong = Vec::new();
    for row in TABLE.trim().lines() {
        let mut cells = row.split_whitespace();
        let (who, form) = (cells.next().unwrap(), cells.next().unwrap());
        for (owner, ..) in OWNERS {
            let expected = cells.next().unwrap();
            let sign = world.signer(who, form, owner).await;
            if ["nothing", "password", "read"].contains(&form) {
                world.ask_for_the_rest(&sign, owner).await;
            }
            let main = world.ask(&sign, owner, "edge/main").await;
            let testing = world.ask(&sign, owner, "edge/testing").await;
            if expected != format!("{main}/{testing}") {
                wrong.push(format!(
                    "{who} {form} {owner}: {main}/{testing}, not {expected}"
                ));
            }
            // Wrong passwords slow each other down; another test shows that.
            if form == "wrong" {
                world.server.clock.advance(Duration::from_secs(3600));
            }
        }
        assert_eq!(cells.next(), None, "{row}");
        rows += 1;
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(rows, 117);
}

#[tokio::test]
async fn no_trick_gets_a_byte_of_a_private_package() {
    let server = TestServer::start().await;
    server.add_user("paul", Visibility::Private).await;
    let base = "/api/packages/paul/alpine";
    let secret = package("secret", "x86_64");
    let upload = put(format!("{base}/edge/main"), secret).basic("paul", &password("paul"));
    server.send(&upload).await.expect(201);
    let file = format!("{base}/edge/main/x86_64/secret-1.0-r0.apk");
    let own = get(&file).basic("paul", &password("paul"));
    let etag = server
        .send(&own)
        .await
        .expect(200)
        .header("ETag")
        .unwrap()
        .to_owned();
    for request in [
        get(&file).header("Range", "bytes=0-0"),
        get(&file).header("Range", "bytes=99999999-"),
        get(&file).header("If-None-Match", &etag),
        get(&file).header("If-None-Match", "*"),
        get(&file).header("If-Modified-Since", "Fri, 31 Dec 2055 23:59:59 GMT"),
        get(format!("http://paul:x@alice.test{file}")),
        get(file.replace("paul", "PAUL")),
        get(file.replace("paul", "%70aul")),
        head(&file),
        delete(&file),
    ] {
        let answer = server.send(&request).await.expect(401);
        for name in [
            "ETag",
            "Last-Modified",
            "Content-Range",
            "Content-Disposition",
        ] {
            assert_eq!(answer.header(name), None, "{request:?}");
        }
        assert!(!answer.text().contains("secret"), "{request:?}");
    }
    for target in [
        "/api/packages/alice/alpine/../../paul/alpine/edge/main/x86_64/secret-1.0-r0.apk",
        "/api/packages/alice/alpine/edge/main/x86_64/secret-1.0-r0.apk",
        "/api/packages/alice/alpine/edge/main/x86_64/..%2f..%2f..%2f..%2f..%2fpaul",
    ] {
        server.send(&get(target)).await.refusal(404, "");
    }
}
