//! What of an `app.ini` is read, and how.

use url::Url;

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
        Storage::S3(settings) => {
            let endpoint = settings.endpoint.as_ref().map_or("amazon", Url::as_str);
            let credentials = settings.credentials.as_ref().unwrap();
            assert_eq!(credentials.secret_access_key.expose(), "s#s");
            let style = if settings.is_path_style {
                "path"
            } else {
                "dns"
            };
            let (region, key) = (&settings.region, &credentials.access_key_id);
            format!("{settings} at {endpoint} in {region} as {key} by {style}")
        }
        Storage::Elsewhere(why) => why,
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
    fs::write(&file, "WORK_PATH = /srv\n[server]\nHTTP_PORT = 1\n").unwrap();
    let error = ForgeSettings::read(Program::Forgejo, &file, None).unwrap_err();
    assert!(error.to_string().contains("no DB_TYPE"), "{error}");
    // Each replacement doubles it, up to a length.
    let again = "[packages]\nA = %(B)s%(B)s\nB = %(A)s%(A)s\nPATH = /%(A)s\n";
    let text = format!("WORK_PATH = /srv\n[database]\nDB_TYPE = sqlite3\n{again}");
    fs::write(&file, text).unwrap();
    assert!(ForgeSettings::read(Program::Forgejo, &file, None).is_ok());
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
        // As the library: one after the other, also what they refer to themselves, and a key's own name stands for the common one.
        (
            "[packages]\nBASE = /b/%(SUB)s\nSUB = c\nLAST = %(NONE)s\nPATH = %(BASE)s/%(SUB)s%(LAST)s",
            "/b/c/c%(NONE)s",
        ),
        (
            "[DEFAULT]\nPATH = /d\n[packages]\nPATH = %(PATH)s/p",
            "/d/p",
        ),
        ("[packages]\nPATH = /a%(b)/%()s/%(", "/a%(b)/%()s/%("),
        (
            "[storage]\nSTORAGE_TYPE = minio",
            "the forge keeps them in S3, and app.ini has no key for it (MINIO_ACCESS_KEY_ID)",
        ),
        (
            "[storage.packages]\nSTORAGE_TYPE = my\n[storage.my]\nSTORAGE_TYPE = azureblob",
            "the forge keeps them in `azureblob`",
        ),
    ] {
        assert_eq!(packages(text), path, "{text}");
    }
}

#[test]
fn a_store_of_packages_is_where_the_forge_has_it() {
    const KEY: &str = "MINIO_ACCESS_KEY_ID = k\nMINIO_SECRET_ACCESS_KEY = `s#s`";
    for (text, store) in [
        (
            format!("[storage]\nSTORAGE_TYPE = minio\n{KEY}"),
            "s3://gitea/packages at http://localhost:9000/ in us-east-1 as k by path",
        ),
        (
            format!("[storage]\nSTORAGE_TYPE = minio\nMINIO_BASE_PATH = a/b/\n{KEY}"),
            "s3://gitea/a/b/packages at http://localhost:9000/ in us-east-1 as k by path",
        ),
        (
            format!(
                "[packages]\nSTORAGE_TYPE = minio\nMINIO_ENDPOINT = s3.example.org\nMINIO_USE_SSL = true\nMINIO_BUCKET = own\nMINIO_LOCATION = eu-1\nMINIO_BASE_PATH = /p/\nMINIO_BUCKET_LOOKUP_TYPE = dns\n{KEY}"
            ),
            "s3://own/p at https://s3.example.org/ in eu-1 as k by dns",
        ),
        // What is common stands once, and the section of the packages has the rest.
        (
            format!(
                "[storage]\nSTORAGE_TYPE = minio\nMINIO_ENDPOINT = s3.eu-1.amazonaws.com\nMINIO_LOCATION = eu-1\n{KEY}\n[storage.packages]\nMINIO_BUCKET = own"
            ),
            "s3://own/packages at amazon in eu-1 as k by dns",
        ),
        (
            format!(
                "[storage.my]\nSTORAGE_TYPE = minio\nMINIO_BUCKET = all\n{KEY}\n[packages]\nSTORAGE_TYPE = my\nMINIO_BUCKET = own\nMINIO_BASE_PATH = p"
            ),
            "s3://own/p at http://localhost:9000/ in us-east-1 as k by path",
        ),
        (
            format!(
                "[storage]\nSTORAGE_TYPE = minio\n{KEY}\n[packages]\nENABLED = true\nMINIO_BASE_PATH = p/"
            ),
            "s3://gitea/p at http://localhost:9000/ in us-east-1 as k by path",
        ),
    ] {
        assert_eq!(packages(&text), store, "{text}");
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
