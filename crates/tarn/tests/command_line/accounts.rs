//! `user`, `org` and `token` on a real registry.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::Folder;

fn add_user(folder: &Folder, name: &str) {
    let said = folder.tarn_with(
        &["user", "add", name, "--password-stdin"],
        &[],
        "correct horse\n",
    );
    assert_eq!(said.exit, 0, "{}", said.stderr);
}

#[test]
fn no_command_but_serve_makes_a_registry() {
    let folder = Folder::empty();
    let add = "user add alice --admin --password-stdin --data-dir elsewhere";
    let said = folder.tarn_with(add, &[], "correct horse\n");
    assert_snapshot!("no_registry", said.all());
    for line in [
        "user list",
        "org list",
        "token list --user admin",
        "key list admin",
    ] {
        let said = folder.tarn(line);
        assert_eq!(said.exit, 1);
        assert!(
            said.stderr
                .starts_with("error: there is no registry in ./tarn-data\n")
        );
    }
    assert!(!folder.path("tarn-data").exists());
    assert!(!folder.path("elsewhere").exists());
    // A folder with a sealing key belongs to a registry whose database is elsewhere.
    folder.write("secret.key", "");
    let said = folder.tarn("user list --data-dir .");
    assert_snapshot!("database_elsewhere", said.all());
}

#[test]
fn users_are_added_listed_disabled_and_enabled() {
    let folder = Folder::with_registry();
    let add = "user add Alice --password-stdin --visibility private";
    let all = folder.session_with(&[
        (add, "correct horse\n"),
        (add, "correct horse\n"),
        ("user add bob", "correct horse\n"),
        ("user add bob --password-stdin", ""),
        ("user add bob --password-stdin", "short"),
        ("user add bob --password-stdin", "correct\nhorse\n"),
        ("user add b|b --password-stdin", "correct horse\n"),
        ("user add api --password-stdin", "correct horse\n"),
        ("user add bob --visibility secret", ""),
        ("user password nobody --password-stdin", "correct horse\n"),
        ("user password alice --password-stdin", "battery staple\n"),
        ("user disable ALICE", ""),
        ("user list", ""),
        ("user enable alice", ""),
        ("user list", ""),
    ]);
    assert!(!all.contains("horse"), "{all}");
    assert_snapshot!("users", all);
    assert_eq!(
        folder.json("user list --json")[1],
        json!({"name": "Alice", "visibility": "private", "admin": false, "disabled": false, "has_password": true})
    );
}

#[test]
fn a_user_without_a_password_is_added_and_shown_as_such() {
    let folder = Folder::with_registry();
    let all = folder.session(&[
        "user add carol --no-password",
        "user add dave --no-password --password-stdin",
        "user list",
    ]);
    assert_snapshot!("no_password", all);
    let users = folder.json("user list --json");
    assert_eq!(users[1]["has_password"], json!(false));
}

#[test]
fn the_second_factor_of_a_user_is_shown_and_there_is_none_to_take_away() {
    let folder = Folder::with_registry();
    let all = folder.session(&[
        "user factor admin",
        "user factor nobody",
        "user factor admin --disable",
        "user factor admin --disable --json",
    ]);
    assert_snapshot!("second_factor", all);
    assert_eq!(
        folder.json("user factor admin --json"),
        json!({"name": "admin", "second_factor": "off", "since": null, "recovery_codes_left": 0})
    );
}

#[test]
fn organisations_have_members_with_roles() {
    let folder = Folder::with_registry();
    add_user(&folder, "alice");
    add_user(&folder, "bob");
    let all = folder.session(&[
        "org list",
        "org add acme --owner nobody",
        "org add acme --owner alice --visibility limited",
        "org add Acme --owner alice",
        "org add other",
        "org list",
        "org member acme bob",
        "org member acme bob --role owner",
        "org member acme bob --role write",
        "org member bob alice --role read",
        "org members acme",
        "org member acme bob --remove",
        "org member acme alice --remove",
        "org members acme",
    ]);
    assert_snapshot!("organisations", all);
    assert_eq!(
        folder.json("org list --json"),
        json!([{"name": "acme", "visibility": "limited"}])
    );
    assert_eq!(
        folder.json("org members acme --json"),
        json!([{"user": "alice", "role": "admin", "teams": ["admins"], "disabled": false}])
    );
}

#[test]
fn a_token_is_the_only_thing_on_standard_output() {
    let folder = Folder::with_registry();
    let add = "token add --user admin --name ci";
    let whole = format!("{add} --scope write:package --expires 90d");
    let said = folder.tarn(&whole);
    let token = said.line();
    assert!(token.starts_with("tarn_") && token.len() > 40, "{token}");
    assert_eq!(said.stderr, "");

    let all = folder.session(&[
        &whole,
        add,
        "token add --user admin --name x --scope root",
        "token add --user admin --name x --scope read:package --expires soon",
        "token add --user nobody --name x --scope read:package",
        // A name that is empty.
        "token add --user admin --name  --scope read:package",
        "token list --user admin",
        "token remove --user admin --name CI",
        "token remove --user admin --name ci",
        "token list --user admin",
    ]);
    assert!(!all.contains(token));
    assert_snapshot!("tokens", all);
}

#[test]
fn several_scopes_can_be_given_in_either_way() {
    let folder = Folder::with_registry();
    for scopes in [
        "--name a --scope read:package --scope public-only",
        "--name b --scope read:package,public-only",
    ] {
        folder
            .tarn(&format!("token add --user admin {scopes}"))
            .line();
    }
    let tokens = folder.json("token list --user admin --json");
    for token in tokens.as_array().unwrap() {
        assert_eq!(token["scopes"], "public-only,read:package");
        assert_eq!(token["expires_at"], Value::Null);
    }
    assert_eq!(tokens.as_array().unwrap().len(), 2);
}

#[test]
fn teams_are_added_limited_filled_and_removed() {
    let folder = Folder::with_registry();
    add_user(&folder, "alice");
    add_user(&folder, "bob");
    let all = folder.session(&[
        "org add acme --owner alice",
        "org team list acme",
        "org team add acme ci --role write --limit edge/testing --limit v3.*/main",
        "org team add acme CI --role read",
        "org team add acme auditors --role read --limit edge/*",
        "org team add acme broken --role write --limit edge",
        "org team add acme broken --role write --limit edge/.x",
        "org team add nobody ci --role write",
        "org team member acme ci bob",
        "org team member acme none bob",
        "org team member acme ci nobody",
        "org team members acme ci",
        "org team change acme ci",
        "org team change acme ci --to edge/testing",
        "org team change acme ci --to edge/testing",
        "org team change acme writers --to edge/testing",
        "org team change acme readers --to edge/testing",
        "org team list acme",
        "org show acme",
        "org team change acme ci --everywhere",
        "org team member acme admins alice --remove",
        "org team delete acme admins",
        "org team member acme ci bob --remove",
        "org team members acme ci",
        "org team delete acme ci",
        "org team delete acme ci",
    ]);
    assert_snapshot!("teams", all);
    folder.tarn(&[
        "org", "team", "add", "acme", "ci", "--role", "write", "--limit", "b/* a/b",
    ]);
    folder.tarn("org team add acme ci --role write --limit b/*");
    folder.tarn("org team member acme ci bob");
    assert_eq!(
        folder.json("org team list acme --json")[3],
        json!({"name": "ci", "role": "write", "limits": ["b/*"], "built_in": false})
    );
    assert_eq!(
        folder.json("org team members acme ci --json"),
        json!([{"user": "bob", "disabled": false}])
    );
    let shown = folder.json("org show acme --json");
    assert_eq!(shown["visibility"], "public");
    assert_eq!(
        shown["members"][1],
        json!({"user": "bob", "role": "write", "teams": ["ci"], "disabled": false})
    );
}

#[test]
fn owners_are_renamed_released_hidden_and_removed() {
    let folder = Folder::with_registry();
    add_user(&folder, "alice");
    add_user(&folder, "bob");
    let all = folder.session(&[
        "org add acme --owner alice",
        "user rename alice alicia",
        "user show alice",
        "user show alicia",
        "user rename bob ALICE",
        "user rename bob acme",
        "user rename bob api",
        "org rename alicia bobs",
        "user rename alicia alicia",
        "user release alice",
        "user release alice",
        "user rename bob alice",
        "org rename acme apex",
        "org rename apex acme",
        "org show acme",
        "org visibility acme private",
        "org visibility acme private",
        "user visibility acme public",
        "user visibility alice limited",
        "user versions alice any",
        "user versions alice lenient",
        "user versions alice lenient",
        "user show alice",
        "user versions alice default",
        "org versions acme strict",
        "user delete alicia",
        "org member acme alice --role admin",
        "user delete alicia",
        "org members acme",
        "org delete alice",
        "org delete acme",
        "org list",
        "user admin alice",
        "user admin alice",
        "user disable alice",
        "user disable alice",
        "user disable admin",
        "user admin admin --remove",
        "user delete admin",
        "user enable alice",
        "user admin admin --remove",
        "user list",
    ]);
    assert_snapshot!("owners", all);
    let shown = folder.json("user show alice --json");
    assert_eq!(shown["former_names"][0]["name"], "bob");
    assert_eq!(
        (&shown["teams"], &shown["tokens"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn tokens_have_limits_networks_and_no_person() {
    let folder = Folder::with_registry();
    folder.tarn("org add acme --owner admin").good();
    let add = "token add --org acme --name ci --scope write:package,no-delete \
               --limit acme/edge/testing --limit ACME/v3.*/* --network 192.0.2.0/24 --network 2001:db8::1";
    let token = folder.tarn(add);
    assert!(token.line().starts_with("tarn_"));
    let all = folder.session(&[
        "token list --org acme",
        "token list --user acme",
        "token add --org acme --name x --scope admin",
        "token add --user admin --name x --scope admin --limit acme/edge/*",
        "token add --user admin --name x --scope no-delete",
        "token add --user admin --name x --scope read:package --limit acme/edge",
        "token add --user admin --name x --scope read:package --network 10.0.0.5/8",
        "token add --user admin --org acme --name x --scope read:package",
        "token revoke --org acme --name none",
        "token revoke --org acme --name ci",
        "token list --org acme",
    ]);
    assert_snapshot!("tokens_with_limits", all);
    folder.tarn(add).line();
    let tokens = folder.json("token list --org acme --json");
    assert_eq!(tokens[0]["scopes"], "no-delete,write:package");
    assert_eq!(
        tokens[0]["limits"],
        json!(["acme/edge/testing", "acme/v3.*/*"])
    );
    assert_eq!(
        tokens[0]["networks"],
        json!(["192.0.2.0/24", "2001:db8::1/128"])
    );
}
