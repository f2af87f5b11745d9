//! What of an `app.ini` is read, and how.

use super::*;

fn settings(text: &str) -> ForgeSettings {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("custom/conf");
    fs::create_dir_all(&conf).unwrap();
    let file = conf.join("app.ini");
    fs::write(&file, text).unwrap();
    ForgeSettings::read(Program::Gitea, &file, Some(Path::new("/srv/forge"))).unwrap()
}

fn packages(text: &str) -> String {
    match settings(&format!("[database]\nDB_TYPE = sqlite3\n{text}")).packages {
        Storage::Local(path) => path.display().to_string(),
        Storage::Elsewhere(kind) => format!("elsewhere: {kind}"),
    }
}

#[test]
fn values_are_read_as_the_forges_read_them() {
    for (raw, value) in [
        ("plain", "plain"),
        (" spaces around ", "spaces around"),
        ("before # a comment", "before"),
        ("cut#off", "cut"),
        ("cut;off", "cut"),
        ("`with # and ; kept` # a comment", "with # and ; kept"),
        ("\"\"\"a \"quoted\" ; one\"\"\"", "a \"quoted\" ; one"),
        ("\"double\"", "double"),
        ("'single'", "single"),
        ("'", "'"),
    ] {
        assert_eq!(plain(raw), value, "{raw}");
    }
}

#[test]
fn a_secret_key_is_what_the_forge_has() {
    let key = |lines: &str| {
        let text = format!("[database]\nDB_TYPE = sqlite3\n[security]\n{lines}\n");
        settings(&text).secret_key.expose().to_owned()
    };
    assert_eq!(key("SECRET_KEY = a=b:c`d"), "a=b:c`d");
    assert_eq!(key("SECRET_KEY = `x#y;z`"), "x#y;z");
    assert_eq!(key("SECRET_KEY ="), DEFAULT_SECRET_KEY);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "from a file\n").unwrap();
    assert_eq!(
        key(&format!("SECRET_KEY_URI = file:{}", file.display())),
        "from a file"
    );
}

#[test]
fn the_database_is_where_the_forge_has_it() {
    let database = |lines: &str| settings(&format!("[database]\n{lines}\n")).database;
    let sqlite = |path: &str| ForgeDatabase::Sqlite(PathBuf::from(path));
    assert_eq!(
        database("DB_TYPE = sqlite3"),
        sqlite("/srv/forge/data/gitea.db")
    );
    assert_eq!(
        database("DB_TYPE = sqlite3\nPATH = x/y.db"),
        sqlite("/srv/forge/x/y.db")
    );
    assert_eq!(database("DB_TYPE = sqlite3\nPATH = /x.db"), sqlite("/x.db"));
    let ForgeDatabase::Postgres(postgres) = database(
        "DB_TYPE = postgres\nHOST = db:5433\nNAME = g\nUSER = u\nPASSWD = `p#w`\nSSL_MODE = disable",
    ) else {
        panic!("it is PostgreSQL");
    };
    assert_eq!(
        (postgres.host.as_str(), postgres.password.as_str()),
        ("db:5433", "p#w")
    );
    assert!(!format!("{postgres:?}").contains("p#w"));
}

#[test]
fn a_database_of_another_kind_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.ini");
    fs::write(&file, "WORK_PATH = /srv\n[database]\nDB_TYPE = mysql\n").unwrap();
    let error = ForgeSettings::read(Program::Forgejo, &file, None).unwrap_err();
    assert!(error.to_string().contains("`mysql`"), "{error}");
    fs::write(&file, "[database]\nDB_TYPE = sqlite3\n").unwrap();
    let error = ForgeSettings::read(Program::Forgejo, &file, None).unwrap_err();
    assert!(error.to_string().contains("--work-path"), "{error}");
}

#[test]
fn the_packages_are_where_the_forge_has_them() {
    for (text, path) in [
        ("", "/srv/forge/data/packages"),
        (
            "[server]\nAPP_DATA_PATH = /var/lib/gitea",
            "/var/lib/gitea/packages",
        ),
        ("[server]\nAPP_DATA_PATH = d", "/srv/forge/d/packages"),
        ("[storage]\nPATH = /s", "/s/packages"),
        ("[packages]\nENABLED = true", "/srv/forge/data/packages"),
        ("[packages]\nPATH = /p", "/p"),
        ("[packages]\nPATH = p", "/srv/forge/data/p"),
        ("[packages]\nSTORAGE_TYPE = local\nPATH = /p", "/p"),
        ("[storage.packages]\nPATH = /n", "/n"),
        (
            "[storage.packages]\nSTORAGE_TYPE = local\nPATH = n",
            "/srv/forge/data/n",
        ),
        (
            "[storage.local]\nPATH = /l\n[packages]\nSTORAGE_TYPE = local",
            "/l",
        ),
        ("[packages]\nBASE = /b\nPATH = %(BASE)s/p", "/b/p"),
        ("[storage]\nSTORAGE_TYPE = minio", "elsewhere: minio"),
        ("[packages]\nSTORAGE_TYPE = minio", "elsewhere: minio"),
        (
            "[storage.packages]\nSTORAGE_TYPE = my\n[storage.my]\nSTORAGE_TYPE = azureblob",
            "elsewhere: azureblob",
        ),
    ] {
        assert_eq!(packages(text), path, "{text}");
    }
}

#[test]
fn what_only_members_see_is_not_opened_to_everybody() {
    let read = |lines: &str| {
        settings(&format!(
            "[database]\nDB_TYPE = sqlite3\n[service]\n{lines}\n"
        ))
        .sign_in_to_read
    };
    assert!(read("REQUIRE_SIGNIN_VIEW = true"));
    assert!(!read("REQUIRE_SIGNIN_VIEW = false"));
    assert!(!read(""));
}
