//! Receivers over TLS. `receiver.pem` is a certificate for `receiver.test` and 127.0.0.1 that signs itself, valid until 2126:
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=receiver.test \
//!   -addext subjectAltName=DNS:receiver.test,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
//!   -addext keyUsage=digitalSignature -keyout receiver.key.pem -out receiver.pem
//! ```

use std::sync::Arc;

use tarn_net::Roots;
use tarn_store::metadata::DeliveryState;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use super::{
    World, client_trusting,
    receiver::{Receiver, status},
};

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("receiver.pem")).unwrap()
}

async fn receiver() -> Receiver {
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("receiver.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], key)
        .unwrap();
    Receiver::start(status("200 OK"), Some(TlsAcceptor::from(Arc::new(config)))).await
}

/// Sends a message to `host` under these authorities. Whether it was delivered, and what the log says.
async fn send(
    world: &World,
    receiver: &Receiver,
    host: &str,
    roots: Roots,
) -> (DeliveryState, String) {
    let url = format!("https://{host}:{}/hook", receiver.address.port());
    let added = world.add(&url).await;
    let client = client_trusting("127.0.0.1/32", roots, |_| Ok(vec![[127, 0, 0, 1].into()]));
    let delivery = world.try_out(&added, &world.worker_by(client)).await;
    (delivery.state, delivery.last_error.unwrap_or_default())
}

fn trusted() -> Roots {
    Roots::These(vec![certificate().to_vec()])
}

#[tokio::test]
async fn a_receiver_with_a_trusted_certificate_gets_its_message_by_name_and_by_address() {
    let (world, receiver) = (World::new().await, receiver().await);
    for host in ["receiver.test", "127.0.0.1"] {
        let (state, error) = send(&world, &receiver, host, trusted()).await;
        assert_eq!((state, error.as_str()), (DeliveryState::Delivered, ""));
    }
    let requests = receiver.received();
    assert_eq!(requests.len(), 2);
    let host = format!("receiver.test:{}", receiver.address.port());
    assert_eq!(requests[0].header("host"), Some(host.as_str()));
}

#[tokio::test]
async fn a_certificate_for_another_name_or_by_an_unknown_authority_gets_nothing() {
    let (world, receiver) = (World::new().await, receiver().await);
    let (state, error) = send(&world, &receiver, "other.test", trusted()).await;
    assert_eq!(state, DeliveryState::Pending);
    // Not what it is for instead, which the receiver chooses and only its own network may know.
    assert!(
        error.contains("its certificate is for other names"),
        "{error}"
    );
    assert!(!error.contains("receiver.test"), "{error}");
    let (state, error) = send(&world, &receiver, "receiver.test", Roots::These(Vec::new())).await;
    assert_eq!(state, DeliveryState::Pending);
    assert!(
        error.contains("knows no certificate authorities"),
        "{error}"
    );
    let (state, _) = send(&world, &receiver, "receiver.test", Roots::OfTheSystem).await;
    assert_eq!(state, DeliveryState::Pending);
    assert_eq!(receiver.received().len(), 0);
}
