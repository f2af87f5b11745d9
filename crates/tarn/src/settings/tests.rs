//! The layers of settings, put together.

use std::fs;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value))),
    )
}

fn flags(given: &[(&'static str, &str)], config: Option<PathBuf>) -> ServerFlags {
    Flags {
        config,
        given: given
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
    }
}

fn resolved(
    given: &[(&'static str, &str)],
    variables: &[(&str, &str)],
) -> Result<Configuration, Failure> {
    Configuration::resolve(&flags(given, None), environment(variables), None)
}

fn source_of(configuration: &Configuration, name: &str) -> Source {
    let (_, _, source) = configuration
        .report
        .iter()
        .find(|(setting, _, _)| setting.name == name)
        .unwrap();
    source.clone()
}

#[test]
fn a_flag_wins_over_a_variable_that_over_the_file_that_over_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(
        &path,
        "listen = \"127.0.0.1:3\"\nlog-level = \"debug\"\nlog-format = \"json\"\n",
    )
    .unwrap();
    let configuration = Configuration::resolve(
        &flags(&[("listen", "127.0.0.1:1")], Some(path.clone())),
        environment(&[("TARN_LISTEN", "127.0.0.1:2"), ("TARN_LOG_LEVEL", "warn")]),
        None,
    )
    .unwrap();
    assert_eq!(configuration.listen.port(), 1);
    assert_eq!(source_of(&configuration, "listen"), Source::Flag("listen"));
    assert_eq!(configuration.log_level, Some(Level::WARN));
    assert_eq!(
        source_of(&configuration, "log-level"),
        Source::Variable("TARN_LOG_LEVEL")
    );
    assert_eq!(configuration.log_format, LogFormat::Json);
    assert_eq!(
        source_of(&configuration, "log-format"),
        Source::File(path, 3)
    );
    assert_eq!(configuration.registry.max_upload, 4 << 30);
    assert_eq!(
        source_of(&configuration, "max-upload-size"),
        Source::Default
    );
}

#[test]
fn every_setting_is_in_the_report_once_and_in_order() {
    let configuration = resolved(&[], &[]).unwrap();
    let reported: Vec<_> = configuration
        .report
        .iter()
        .map(|(setting, _, _)| setting.name)
        .collect();
    let all: Vec<_> = table::ALL.iter().map(|setting| setting.name).collect();
    assert_eq!(reported, all);
}

#[test]
fn a_path_in_the_file_is_meant_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tarn.toml");
    fs::write(
        &path,
        "data-dir = \"data\"\ndatabase = \"sqlite:///x/y.db\"\n",
    )
    .unwrap();
    let configuration = resolved(&[], &[("TARN_CONFIG", path.to_str().unwrap())]).unwrap();
    assert_eq!(configuration.registry.data_dir, folder.path().join("data"));
    let database = Database::Sqlite(PathBuf::from("/x/y.db"));
    assert_eq!(configuration.registry.database, database);
}

#[test]
fn commands_find_the_settings_of_the_service_unless_another_registry_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tarn.toml");
    let port = |given: &[(&'static str, &str)], variables: &[(&str, &str)], of_service| {
        Configuration::resolve(&flags(given, None), environment(variables), of_service)
            .unwrap()
            .listen
            .port()
    };
    assert_eq!(port(&[], &[], Some(&path)), 8080, "it need not be there");
    fs::write(&path, "listen = \"127.0.0.1:1\"\n").unwrap();
    assert_eq!(port(&[], &[], Some(&path)), 1);
    assert_eq!(port(&[], &[], None), 8080);
    assert_eq!(port(&[("data-dir", "trial")], &[], Some(&path)), 8080);
    let trial = [("TARN_DATA_DIR", "trial")];
    assert_eq!(port(&[], &trial, Some(&path)), 8080);
}

#[test]
fn a_wrong_value_names_where_it_came_from() {
    let failure = resolved(&[], &[("TARN_LISTEN", "8080")]).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "error: `listen` from TARN_LISTEN cannot be used: `8080` is not an address with a port\n\
         hint: write 127.0.0.1:8080 for this machine only, or 0.0.0.0:8080 for every network"
    );
}

#[test]
fn everything_that_is_wrong_is_reported_together_and_nothing_that_follows_from_it() {
    let failure = resolved(
        &[("data-dir", ""), ("database", "mysql://db")],
        &[
            ("TARN_ACME_DOMAIN", "192.0.2.1"),
            ("TARN_ACME_EMAIL", "a@example.org"),
            ("TARN_LISTEN", "8080"),
            ("TARN_SECRET_KEY_FILE", "/there/is/none"),
        ],
    )
    .unwrap_err()
    .to_string();
    let wrong: Vec<&str> = failure
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(
        wrong,
        [
            "error: `data-dir` from --data-dir is empty",
            "error: `database` from --database cannot be used: this is not a database URL that Tarn knows",
            "error: `listen` from TARN_LISTEN cannot be used: `8080` is not an address with a port",
            "error: `acme-domain` from TARN_ACME_DOMAIN cannot be used: `192.0.2.1` is an address",
            "error: cannot open the secret key file /there/is/none",
        ]
    );
}

#[test]
fn secrets_are_masked_in_the_report_and_in_debug_output() {
    let configuration = resolved(
        &[],
        &[
            ("TARN_SECRET_KEY", "hunter2"),
            ("TARN_ADMIN_PASSWORD", "hunter3"),
        ],
    )
    .unwrap();
    let shown = format!("{configuration:?}");
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(
        configuration.registry.sealing_key.unwrap().expose(),
        "hunter2"
    );
    assert_eq!(configuration.admin_password.unwrap().expose(), "hunter3");
}

#[test]
fn an_empty_variable_counts_as_not_set_and_an_empty_flag_is_refused() {
    let configuration = resolved(&[], &[("TARN_BASE_URL", "")]).unwrap();
    assert_eq!(configuration.registry.base_url, None);
    let refused = resolved(&[("data-dir", "")], &[]);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("`data-dir` from --data-dir is empty")
    );
}

#[test]
fn variables_that_are_no_settings_are_noticed() {
    let environment = environment(&[("TARN_LISTNE", "x"), ("TARN_LISTEN", "y"), ("PATH", "z")]);
    assert_eq!(environment.unknown().collect::<Vec<_>>(), ["TARN_LISTNE"]);
}

#[test]
fn the_certificate_comes_from_files_or_from_an_authority() {
    let resolve = |given: &[(&'static str, &str)]| {
        resolved(given, &[])
            .map(|configuration| configuration.tls)
            .map_err(|failure| failure.to_string())
    };
    let refused = |given: &[(&'static str, &str)]| resolve(given).unwrap_err();
    assert!(resolve(&[]).unwrap().is_none());
    let files = [("tls-cert", "c"), ("tls-key", "k")];
    assert!(matches!(resolve(&files), Ok(Some(TlsFrom::Files { .. }))));
    let acme = ("acme-domain", "a.example.org, B.Example.org,a.example.org");
    let Ok(Some(TlsFrom::Authority(settings))) = resolve(&[acme]) else {
        panic!("an authority");
    };
    assert_eq!(settings.names, ["a.example.org", "b.example.org"]);
    assert_eq!(
        settings.directory.host_str(),
        Some("acme-v02.api.letsencrypt.org")
    );
    for file in files {
        let text = refused(&[acme, file]);
        assert!(
            text.contains("`acme-domain` is set together with `tls-cert` or `tls-key`"),
            "{text}"
        );
    }
    for (name, value) in [
        ("acme-email", "a@example.org"),
        ("acme-directory", "https://ca.example.org/dir"),
        ("acme-ca", "ca.pem"),
    ] {
        let text = refused(&[(name, value)]);
        assert!(
            text.contains(&format!("`{name}` is set without `acme-domain`")),
            "{text}"
        );
    }
    for (name, value, said) in [
        ("acme-domain", "*.example.org", "stands for many names"),
        ("acme-domain", "192.0.2.1", "is an address"),
        (
            "acme-domain",
            "https://a.example.org",
            "is not a name of a host",
        ),
        ("acme-domain", "a..b", "is not a name of a host"),
        ("acme-email", "example.org", "is not an address"),
        (
            "acme-directory",
            "http://ca.example.org",
            "is not a URL that begins with https://",
        ),
    ] {
        let text = refused(&[acme, (name, value)][usize::from(name == "acme-domain")..]);
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn the_url_of_a_server_with_a_certificate_is_its_first_name() {
    let configuration = resolved(
        &[("acme-domain", "packages.example.org,b.example.org")],
        &[],
    )
    .unwrap();
    let shown = configuration
        .report
        .iter()
        .find(|(setting, _, _)| setting.name == "base-url");
    assert_eq!(shown.unwrap().1, "https://packages.example.org");
}
