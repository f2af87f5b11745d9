//! Keys of the curve P-256, beside the RSA key.

use apk::{
    limits::Limits,
    sign::{KeyName, SigningKey},
    v2, v3,
};
use tarn_base::secret::Secret;
use tarn_core::{
    index::{Format, Indexes},
    keys::{Import, KeyError},
};
use tarn_store::metadata::{KeyState, KeyType};

use super::{BY, World};
use crate::{arch, branch, bytes, main_repository};

#[tokio::test]
async fn a_key_of_the_curve_p_256_signs_v3_indexes_beside_the_rsa_key() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let rsa = world.first_key().await.name;
    let curve = keys
        .rotate(&world.alice, KeyType::EcP256, &BY)
        .await
        .unwrap();
    assert_eq!(
        curve.name.as_str(),
        format!("alice@{}.pem", curve.fingerprint)
    );
    assert_eq!(curve.key_type, KeyType::EcP256);
    let public = world.public(&curve.name).await;
    let (v2, v3) = (
        bytes(&world.index(Format::V2).await),
        bytes(&world.index(Format::V3).await),
    );
    let limits = Limits::default();
    let summary = v2::index::read_unverified(&v2, &limits).unwrap().summary;
    assert_eq!(summary.signer, None);
    let trusted = [(rsa.clone(), world.public(&rsa).await)];
    assert!(v2::index::for_each_record(&v2, &limits, Some(&trusted), |_| ()).is_ok());
    let index = v3::index::read(&v3, &limits, &[&public, &trusted[0].1]).unwrap();
    assert_eq!((index.verified_by.len(), index.signed_by.len()), (2, 2));
    // Made once more, the bytes are the same: the signature has no chance in it.
    let registry = &world.registry;
    let indexes = Indexes::new(
        registry.metadata().clone(),
        registry.keys().clone(),
        1 << 20,
        limits.clone(),
    );
    let (branch, name, arch) = (branch(), main_repository(), arch());
    let again = indexes.current(&world.alice, &branch, &name, &arch, Format::V3);
    assert!(bytes(&again.await.unwrap().unwrap()) == v3);

    // `/key` stays the RSA key, which serves both formats; the other is found by its name.
    assert_eq!(keys.public_key(&world.alice).await.unwrap().0, rsa);
    let pem = keys.public_key_called(&world.alice, &curve.name).await;
    assert!(pem.unwrap().is_some());
    let refused = keys.retire(&world.alice, &rsa, &BY).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "cannot retire `{rsa}`: it is the only active RSA key of alice, and APKINDEX.tar.gz is signed by RSA keys only"
        )
    );
    keys.retire(&world.alice, &curve.name, &BY).await.unwrap();
    let v3 = bytes(&world.index(Format::V3).await);
    assert!(v3::index::read(&v3, &limits, &[&public]).is_err());
}

#[tokio::test]
async fn an_imported_key_of_a_curve_leaves_the_rsa_keys_and_comes_out_as_it_went_in() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let key = SigningKey::generate_p256().unwrap();
    let pem = key.to_pkcs8_pem().unwrap().to_string();
    // Before the owner has any key: the RSA key is made when it is needed.
    let imported = keys
        .import(
            &world.alice,
            &Secret::new(pem.clone()),
            None,
            Import::Instead,
            &BY,
        )
        .await
        .unwrap();
    let rsa = keys.public_key(&world.alice).await.unwrap().0;
    assert!(rsa.as_str().ends_with(".rsa.pub"));
    let listed = keys.list(&world.alice).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|key| (&key.name, key.state, key.key_type))
        .collect();
    assert_eq!(
        listed,
        [
            (&rsa, KeyState::Active, KeyType::Rsa),
            (&imported.name, KeyState::Active, KeyType::EcP256)
        ]
    );
    let kept = keys.export(&world.alice, Some(&imported.name), true).await;
    assert_eq!(kept.unwrap().private.unwrap().expose(), pem);
    let none = KeyName::parse("none.pem").unwrap();
    let refused = keys.export(&world.alice, Some(&none), false).await;
    assert!(matches!(refused, Err(KeyError::NoSuchKey { .. })));
}
