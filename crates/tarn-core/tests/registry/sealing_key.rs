//! The sealing key: made once, missed when it is gone, and never taken for that of another database.

use std::path::Path;

use tarn_base::{
    clock::{Clock, Timestamp},
    sealer::SealerError,
    secret::Secret,
};
use tarn_core::{Administration, OpenError, Survey, settings::Settings};
use tarn_store::metadata::Actor;

/// 32 bytes that are no key of a test.
const OTHER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn clock() -> Clock {
    Clock::manual(Timestamp::from_seconds(1_800_000_000))
}

fn settings(folder: &Path, key: Option<&str>) -> Settings {
    Settings {
        sealing_key: key.map(|key| Secret::new(key.to_owned())),
        ..Settings::in_folder(folder.to_owned())
    }
}

/// What the server, a command and `check-config` say when they open the registry.
async fn refusals(settings: &Settings) -> [String; 3] {
    let refused: [OpenError; 3] = [
        Administration::open(settings, &clock()).await.unwrap_err(),
        Administration::open_existing(settings, &clock())
            .await
            .unwrap_err(),
        Survey::of(settings).await.unwrap_err(),
    ];
    refused.map(|error| error.to_string())
}

#[tokio::test]
async fn a_lost_sealing_key_is_reported_at_start_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, file) = (folder.path(), folder.path().join("secret.key"));
    let without = settings(folder, None);
    // Before the first start of the server no command makes one.
    let refused = Administration::open_existing(&without, &clock()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("secret.key is missing, and only the server makes it"),
        "{refused}"
    );
    assert!(!file.exists());
    Administration::open(&without, &clock()).await.unwrap();
    let key = std::fs::read_to_string(&file).unwrap();
    // 32 bytes in base64, and a line feed.
    assert_eq!((key.len(), key.trim_end().len()), (45, 44));
    std::fs::remove_file(&file).unwrap();
    for refused in refusals(&without).await {
        assert!(
            refused.contains("secret.key is missing, and the signing keys"),
            "{refused}"
        );
    }
    assert!(!file.exists());
    // The key in the settings needs no file.
    let with_setting = settings(folder, Some(&key));
    Administration::open(&with_setting, &clock()).await.unwrap();
}

#[tokio::test]
async fn a_wrong_sealing_key_is_found_by_everyone_and_nothing_is_sealed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = settings(folder, None);
    let registry = Administration::open(&own, &clock()).await.unwrap();
    let check = registry.metadata().sealing_check().await.unwrap();
    for refused in refusals(&settings(folder, Some(OTHER))).await {
        assert!(
            refused.contains("from the setting `secret-key-file` or TARN_SECRET_KEY is not the one of this database"),
            "{refused}"
        );
    }
    let file = folder.join("secret.key");
    let right = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, OTHER).unwrap();
    for refused in refusals(&own).await {
        let named = format!("from {} is not the one of this database", file.display());
        assert!(refused.contains(&named), "{refused}");
    }
    assert_eq!(registry.metadata().sealing_check().await.unwrap(), check);
    std::fs::write(&file, right).unwrap();
    Administration::open_existing(&own, &clock()).await.unwrap();

    // A key that is lost for good is replaced on purpose, and from then on the old one is the wrong one.
    let new = settings(folder, Some(OTHER));
    Administration::replace_sealing_key(&new, &clock(), &Actor::COMMAND_LINE)
        .await
        .unwrap();
    Administration::open_existing(&new, &clock()).await.unwrap();
    let refused = Administration::open(&own, &clock()).await;
    assert!(matches!(
        refused,
        Err(OpenError::Sealer(SealerError::Wrong { .. }))
    ));
}

#[tokio::test]
async fn of_several_that_start_at_once_the_first_decides_which_key_it_is() {
    // The same file, made once.
    let folder = tempfile::tempdir().unwrap();
    let own = settings(folder.path(), None);
    drop(
        tarn_store::metadata::Metadata::open(&own.database)
            .await
            .unwrap(),
    );
    let opened = futures_util::future::join_all(
        (0..8).map(|_| async { Administration::open(&own, &clock()).await }),
    );
    assert!(opened.await.iter().all(Result::is_ok));
    Administration::open_existing(&own, &clock()).await.unwrap();

    // Keys of settings that differ: whose is first stays, the others are refused.
    let folder = tempfile::tempdir().unwrap();
    let another = format!("{}=", "A".repeat(43));
    let all: Vec<Settings> = [OTHER, &another, OTHER, &another, OTHER, &another]
        .map(|key| settings(folder.path(), Some(key)))
        .into();
    drop(
        tarn_store::metadata::Metadata::open(&settings(folder.path(), None).database)
            .await
            .unwrap(),
    );
    let opened = all
        .iter()
        .map(|settings| async { Administration::open(settings, &clock()).await.is_ok() });
    let opened: Vec<bool> = futures_util::future::join_all(opened).await;
    let of = |parity: usize| {
        opened
            .iter()
            .skip(parity)
            .step_by(2)
            .all(|is_open| *is_open)
    };
    assert!(of(0) != of(1), "{opened:?}");
    assert_eq!(opened.iter().filter(|is_open| **is_open).count(), 3);
}
