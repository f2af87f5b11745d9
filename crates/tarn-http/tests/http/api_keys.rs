//! The signing keys of an owner through the API.

use serde_json::json;

use crate::{
    client::{get, request},
    server::{TestServer, ask, by, expect, hello, problem},
};

#[tokio::test]
async fn keys_rotate_and_retire_through_the_api() {
    let server = TestServer::start().await;
    server.publish("edge/main", hello()).await.expect(201);
    let target = "/api/v1/owners/alice/keys";
    expect(&server, &get("/api/packages/alice/alpine/key"), 200).await;
    let new = expect(&server, &by("alice", request("POST", target)), 201)
        .await
        .json();
    problem(
        &server,
        &by("alice", request("POST", target)),
        409,
        "already",
    )
    .await;
    let keys = expect(&server, &by("alice", get(target)), 200).await.json();
    let old = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["name"] != new["name"])
        .unwrap();
    let old = old["name"].as_str().unwrap();
    let retire = |name: &str| by("alice", request("POST", format!("{target}/{name}/retire")));
    let left = ask(&server, retire(old)).await.expect(200).json();
    assert_eq!(left, json!({ "changed": true, "signing": [new["name"]] }));
    let only = new["name"].as_str().unwrap();
    problem(&server, &retire(only), 409, "only active RSA key").await;

    // A key of the curve P-256 comes and goes beside them.
    let of_type = |word: &str| by("alice", request("POST", format!("{target}?type={word}")));
    let curve = ask(&server, of_type("ec-p256")).await.expect(201).json();
    assert_eq!(
        (&curve["type"], &new["type"]),
        (&json!("ec-p256"), &json!("rsa"))
    );
    let name = curve["name"].as_str().unwrap();
    assert!(
        name.starts_with("alice@") && name.ends_with(".pem"),
        "{name}"
    );
    for unknown in ["ed25519", "RSA", ""] {
        ask(&server, of_type(unknown)).await.problem(400, "query");
    }
    // Its public half is at an address that ends in its name; `/key` stays the RSA key.
    let pem = ask(&server, get(format!("/api/packages/alice/alpine/{name}"))).await;
    let pem = pem.expect(200).text();
    let fingerprint = apk::sign::PublicKey::from_pem(pem.as_bytes())
        .unwrap()
        .fingerprint();
    assert_eq!(curve["fingerprint"], fingerprint.to_string());
    let key = ask(&server, get("/api/packages/alice/alpine/key")).await;
    let disposition = key.header("content-disposition").unwrap();
    assert!(disposition.contains(only), "{disposition}");
    ask(&server, retire(name)).await.expect(200);
}
