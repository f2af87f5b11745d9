//! How values are read, and what is said of wrong ones.

use super::*;

#[test]
fn addresses_need_a_port_and_numbers() {
    assert_eq!(address("[::1]:80").unwrap().port(), 80);
    for (text, hint) in [
        ("127.0.0.1", "such as 127.0.0.1:8080"),
        ("localhost:81", "127.0.0.1:81"),
        (":82", "0.0.0.0:82"),
        ("82", "127.0.0.1:82"),
        ("packages.example.org:83", "base-url"),
        ("1.2.3.4:99999", "such as 127.0.0.1:8080"),
    ] {
        let refused = address(text).unwrap_err();
        assert!(refused.hint.contains(hint), "{text}: {}", refused.hint);
    }
}

#[test]
fn a_database_is_a_file_or_a_server_and_its_password_is_never_repeated() {
    for path in ["/a/b.db", "b.db"] {
        let found = database(&format!("sqlite://{path}")).unwrap();
        assert_eq!(found, Database::Sqlite(PathBuf::from(path)));
    }
    for scheme in ["postgres", "postgresql"] {
        let found = database(&format!("{scheme}://u:hunter2@h/d")).unwrap();
        assert_eq!(found.to_string(), "postgres://u@h:5432/d");
        assert!(!format!("{found:?}").contains("hunter2"));
    }
    for text in [
        "postgres://u:hunter2@h/d?sslmode=always",
        "mysql://u:hunter2@h/d",
        "hunter2",
    ] {
        let refused = database(text).unwrap_err();
        assert!(!format!("{refused:?}").contains("hunter2"));
    }
    assert!(database("sqlite://:memory:").is_err());
    assert!(database("sqlite://a?mode=ro").is_err());
}

#[test]
fn a_store_is_refused_without_repeating_the_secret() {
    assert!(matches!(storage("data-dir"), Ok(Storage::DataFolder)));
    assert!(matches!(storage("s3://packages"), Ok(Storage::S3(_))));
    for text in [
        "s3://k:hunter2@bucket",
        "s3://bucket?password=hunter2",
        "hunter2",
    ] {
        assert!(!format!("{:?}", storage(text).unwrap_err()).contains("hunter2"));
    }
}

#[test]
fn the_help_names_every_store() {
    for word in Storage::WORDS {
        let help = crate::settings::table::STORAGE.help;
        assert!(help.contains(&format!("`{word}")), "{word}: {help}");
    }
}

#[test]
fn base_urls_are_what_a_client_can_use() {
    for text in [
        "http://h",
        "https://h.example:8443/tarn/",
        "http://[::1]:8080",
        "http://127.0.0.1:1/",
    ] {
        assert_eq!(base_url(text).unwrap(), text.trim_end_matches('/'));
    }
    for text in [
        "h",
        "ftp://h",
        "http://",
        "http://h:port",
        "http://h/?q",
        "http://h/a b",
        "http://u:p@h",
        "http://h\"x",
    ] {
        assert!(base_url(text).is_err(), "{text}");
    }
    assert!(!format!("{:?}", base_url("http://u:hunter2@h")).contains("hunter2"));
}

#[test]
fn networks_are_matched_exactly() {
    let shown = |text| {
        let networks: Vec<String> = networks(text)
            .unwrap()
            .iter()
            .map(IpNet::to_string)
            .collect();
        networks.join(" ")
    };
    assert_eq!(shown("127.0.0.1"), "127.0.0.1/32");
    assert_eq!(
        shown("10.0.0.0/8, fd00::/8,::1"),
        "10.0.0.0/8 fd00::/8 ::1/128"
    );
    for text in [
        "",
        ",",
        "proxy",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.1:80",
        // They would match nothing: such addresses are compared as IPv4.
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.0/104",
    ] {
        assert!(networks(text).is_err(), "{text}");
    }
}

#[test]
fn proxy_headers_are_the_two_that_are_read() {
    assert_eq!(
        proxy_header("X-Forwarded-For"),
        Ok(ForwardedHeader::XForwardedFor)
    );
    assert_eq!(proxy_header("forwarded"), Ok(ForwardedHeader::Forwarded));
    assert!(proxy_header("x-real-ip").is_err());
}

#[test]
fn a_retention_is_a_number_of_days_or_for_ever() {
    assert_eq!(retention("1"), Ok(Some(Duration::from_secs(86_400))));
    assert_eq!(retention("0"), Ok(None));
    for (text, in_days) in [("30d", 30), ("48h", 2), ("2w", 14), ("1y", 365)] {
        assert_eq!(days(text), Ok(in_days), "{text}");
    }
    for text in [
        "",
        "-1",
        "d",
        "0d",
        "36h",
        "1x",
        "365001",
        "365001d",
        "99999999999",
    ] {
        assert!(retention(text).is_err(), "{text}");
    }
}

#[test]
fn lengths_of_time_have_units() {
    assert_eq!(duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
    assert_eq!(duration("1y"), Ok(Duration::from_secs(365 * 86_400)));
    assert_eq!(duration_or_none("7d"), Ok(Duration::from_secs(7 * 86_400)));
    assert_eq!(duration_or_none("0"), Ok(Duration::ZERO));
    assert!(duration_or_none("0d").is_err());
    for text in [
        "",
        "d",
        "90",
        "0d",
        "-1d",
        "1.5h",
        "99999999999999999999y",
        "2000y",
        "5€",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
}
