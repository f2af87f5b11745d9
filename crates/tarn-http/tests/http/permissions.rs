//! Who may do what: the table of the contract, each cell asked over the wire.

use tarn_store::metadata::{Role, Visibility};

use crate::{
    client::{Request, delete, get, head, put},
    server::{BY, TestServer, package, password},
};

const OWNERS: [(&str, Visibility); 6] = [
    ("puser", Visibility::Public),
    ("luser", Visibility::Limited),
    ("vuser", Visibility::Private),
    ("porg", Visibility::Public),
    ("lorg", Visibility::Limited),
    ("vorg", Visibility::Private),
];

/// Who asks, and for each owner: what a read and what a write is answered.
const TABLE: [(&str, [(u16, u16); 6]); 9] = [
    (
        "nobody",
        [
            (200, 401),
            (401, 401),
            (401, 401),
            (200, 401),
            (401, 401),
            (401, 401),
        ],
    ),
    (
        "stranger",
        [
            (200, 403),
            (200, 403),
            (403, 403),
            (200, 403),
            (200, 403),
            (403, 403),
        ],
    ),
    (
        "reader",
        [
            (200, 403),
            (200, 403),
            (403, 403),
            (200, 403),
            (200, 403),
            (200, 403),
        ],
    ),
    (
        "writer",
        [
            (200, 403),
            (200, 403),
            (403, 403),
            (200, 201),
            (200, 201),
            (200, 201),
        ],
    ),
    (
        "manager",
        [
            (200, 403),
            (200, 403),
            (403, 403),
            (200, 201),
            (200, 201),
            (200, 201),
        ],
    ),
    (
        "vuser",
        [
            (200, 403),
            (200, 403),
            (200, 201),
            (200, 403),
            (200, 403),
            (403, 403),
        ],
    ),
    (
        "root",
        [
            (200, 201),
            (200, 201),
            (200, 201),
            (200, 201),
            (200, 201),
            (200, 201),
        ],
    ),
    (
        "root, token to read",
        [
            (200, 401),
            (200, 401),
            (200, 401),
            (200, 401),
            (200, 401),
            (200, 401),
        ],
    ),
    (
        "root, token for public owners",
        [
            (200, 201),
            (403, 403),
            (403, 403),
            (200, 201),
            (403, 403),
            (403, 403),
        ],
    ),
];

async fn world() -> TestServer {
    let server = TestServer::start().await;
    for (owner, visibility) in OWNERS {
        if owner.ends_with("org") {
            server.add_organisation(owner, visibility).await;
        } else {
            server.add_user(owner, visibility).await;
        }
    }
    for user in ["stranger", "reader", "writer", "manager", "root"] {
        server.add_user(user, Visibility::Public).await;
    }
    for organisation in ["porg", "lorg", "vorg"] {
        server.set_member(organisation, "reader", Role::Read).await;
        server.set_member(organisation, "writer", Role::Write).await;
        server
            .set_member(organisation, "manager", Role::Admin)
            .await;
    }
    let root = crate::server::name("root");
    server.accounts().set_admin(&root, true, &BY).await.unwrap();
    server
}

#[tokio::test]
async fn every_cell_of_the_table() {
    let server = world().await;
    let to_read = server.token("root", "read:package").await;
    let for_public = server.token("root", "public-only,write:package").await;
    let by = |who: &str, request: Request| match who {
        "nobody" => request,
        "root, token to read" => request.bearer(&to_read),
        "root, token for public owners" => request.basic("root", &for_public),
        user => request.basic(user, &password(user)),
    };
    for (owner, _) in OWNERS {
        let target = format!("/api/packages/{owner}/alpine/edge/main");
        let upload = put(target, package("seed", "x86_64"));
        server.send(&by("root", upload)).await.expect(201);
    }
    for (who, cells) in TABLE {
        for ((owner, _), (read, write)) in OWNERS.iter().zip(cells) {
            let base = format!("/api/packages/{owner}/alpine");
            for path in [
                "key",
                "edge/main/x86_64/APKINDEX.tar.gz",
                "edge/main/x86_64/Packages.adb",
                "edge/main/x86_64/packages.adb",
                "edge/main/x86_64/seed-1.0-r0.apk",
            ] {
                let target = format!("{base}/{path}");
                for request in [get(&target), head(&target)] {
                    let answer = server.send(&by(who, request)).await;
                    assert_eq!(answer.status, read, "{who}: {target}");
                    assert!(read == 200 || answer.header("ETag").is_none());
                }
            }
            // Absent and hidden things get the same answer.
            let target = format!("{base}/none/main/x86_64/APKINDEX.tar.gz");
            let expected = if read == 200 { 404 } else { read };
            let answer = server.send(&by(who, get(&target))).await;
            assert_eq!(answer.status, expected, "{who}: {target}");

            let upload = put(format!("{base}/edge/main"), package("new", "x86_64"));
            let answer = server.send(&by(who, upload)).await;
            assert_eq!(
                answer.status,
                write,
                "{who}: PUT {owner}: {}",
                answer.text()
            );
            let removal = delete(format!("{base}/edge/main/x86_64/new-1.0-r0.apk"));
            let answer = server.send(&by(who, removal)).await;
            let expected = if write == 201 { 204 } else { write };
            assert_eq!(answer.status, expected, "{who}: DELETE {owner}");
        }
    }
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
