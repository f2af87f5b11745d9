//! The certificate that an authority issues, and what it asks for meanwhile.

use std::time::Duration;

use tarn_store::metadata::{CertificateOf, FailedOrders, StoredCertificate};

use crate::{START, World};

const OF: CertificateOf<'static> = CertificateOf {
    directory: "https://ca.example.org/dir",
    names: "a.example.org,b.example.org",
};

fn certificate(chain: &str) -> StoredCertificate {
    StoredCertificate {
        chain: chain.to_owned(),
        private_key: vec![0, 1, 255],
        not_before: START,
        not_after: START.after(Duration::from_secs(90 * 86_400)),
    }
}

#[tokio::test]
async fn the_newest_certificate_is_that_of_these_names_by_this_authority() {
    let world = World::new().await;
    let metadata = &world.metadata;
    assert_eq!(metadata.certificate(OF).await.unwrap(), None);
    for chain in ["first", "second"] {
        metadata
            .keep_certificate(OF, &certificate(chain))
            .await
            .unwrap();
        let found = metadata.certificate(OF).await.unwrap();
        assert_eq!(found, Some(certificate(chain)));
    }
    let others = [
        CertificateOf {
            names: "a.example.org",
            ..OF
        },
        CertificateOf {
            directory: "https://other.example.org/dir",
            ..OF
        },
    ];
    for other in others {
        assert_eq!(metadata.certificate(other).await.unwrap(), None);
    }
}

#[tokio::test]
async fn orders_that_failed_are_counted_until_a_certificate_is_issued() {
    let world = World::new().await;
    let metadata = &world.metadata;
    assert_eq!(metadata.failed_orders(OF).await.unwrap(), None);
    for count in 1..4 {
        let at = START.after(Duration::from_secs(u64::from(count)));
        assert_eq!(metadata.note_failed_order(OF, at).await.unwrap(), count);
        let failed = metadata.failed_orders(OF).await.unwrap();
        assert_eq!(failed, Some(FailedOrders { count, at }));
    }
    metadata
        .keep_certificate(OF, &certificate("first"))
        .await
        .unwrap();
    assert_eq!(metadata.failed_orders(OF).await.unwrap(), None);
    // What came was too old to be used: that counts as well, although it was kept.
    let failed = FailedOrders {
        count: 3,
        at: START,
    };
    for _ in 0..2 {
        metadata.set_failed_orders(OF, failed).await.unwrap();
        assert_eq!(metadata.failed_orders(OF).await.unwrap(), Some(failed));
    }
    assert_eq!(metadata.note_failed_order(OF, START).await.unwrap(), 4);
}

#[tokio::test]
async fn an_account_is_that_of_an_address_at_an_authority() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let found = async |email| metadata.acme_account(OF.directory, email).await.unwrap();
    assert_eq!(found("a@example.org").await, None);
    for credentials in [b"first".as_slice(), b"second"] {
        metadata
            .keep_acme_account(OF.directory, "a@example.org", credentials)
            .await
            .unwrap();
        assert_eq!(found("a@example.org").await.as_deref(), Some(credentials));
        assert_eq!(found("").await, None);
    }
    metadata
        .keep_acme_account(OF.directory, "b@example.org", b"other")
        .await
        .unwrap();
    metadata
        .forget_acme_account(OF.directory, "a@example.org")
        .await
        .unwrap();
    assert_eq!(found("a@example.org").await, None);
    assert_eq!(
        found("b@example.org").await.as_deref(),
        Some(b"other".as_slice())
    );
}

#[tokio::test]
async fn a_challenge_is_answered_while_it_lasts() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let minute = Duration::from_secs(60);
    let found = async |name, at| metadata.acme_challenge(name, at).await.unwrap();
    assert_eq!(found("a.example.org", START).await, None);
    for digest in [[1; 32], [2; 32]] {
        metadata
            .keep_acme_challenge("a.example.org", &digest, START, START.after(minute))
            .await
            .unwrap();
        assert_eq!(found("a.example.org", START).await, Some(digest));
    }
    assert_eq!(found("b.example.org", START).await, None);
    assert_eq!(found("a.example.org", START.after(minute)).await, None);
    // The next one takes those away that are over.
    let later = START.after(minute);
    metadata
        .keep_acme_challenge("b.example.org", &[3; 32], later, later.after(minute))
        .await
        .unwrap();
    assert_eq!(found("a.example.org", START).await, None);
    // Only that very one.
    for (digest, left) in [([2; 32], Some([3; 32])), ([3; 32], None)] {
        metadata
            .forget_acme_challenge("b.example.org", &digest)
            .await
            .unwrap();
        assert_eq!(found("b.example.org", later).await, left);
    }
}
