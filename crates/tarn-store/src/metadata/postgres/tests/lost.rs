//! Connections that are cut while something waits for an answer, and waits that have a bound.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::watch,
    time::sleep,
};

use super::*;

/// Stands between a client and the server, and cuts every connection on demand.
struct Line {
    port: u16,
    cut: watch::Sender<()>,
}

impl Line {
    async fn to(server: &Server) -> Self {
        let socket = Path::new(&server.data()).with_file_name(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, is_cut) = watch::channel(());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (socket, mut is_cut) = (socket.clone(), is_cut.clone());
                is_cut.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = UnixStream::connect(socket).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn address(&self) -> PostgresAddress {
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/tarn?sslmode=disable",
            self.port
        );
        url.parse().unwrap()
    }

    /// Cuts what is connected once that has had the time to wait for an answer. What comes then gets through.
    async fn cut_soon(&self) {
        sleep(Duration::from_millis(200)).await;
        self.cut.send(()).unwrap();
    }
}

/// The server has done nothing of it, so the question, or the beginning, is sent once more by another connection.
pub(super) async fn what_was_cut_before_its_answer_is_asked_once_more(
    server: &Server,
    engine: &Engine,
) {
    let line = Line::to(server).await;
    let (over_line, _) = open(&line.address()).await.unwrap();
    let slow = || sql!("SELECT 1 AS one FROM pg_sleep(0.5)");
    let (answer, ()) = tokio::join!(over_line.any(slow()), line.cut_soon());
    assert!(answer.unwrap());

    let other = engine.write().await.unwrap();
    let cut = async {
        line.cut_soon().await;
        drop(other);
    };
    let (begun, ()) = tokio::join!(over_line.write(), cut);
    // In its middle it is lost, and what it did with it.
    let mut transaction = begun.unwrap();
    let (error, ()) = tokio::join!(transaction.any(slow()), line.cut_soon());
    let error = error.unwrap_err();
    assert!(matches!(error, MetadataError::Unreachable(_)), "{error:?}");
    drop(transaction);
    over_line.close().await;
}

/// While another process writes.
pub(super) async fn a_transaction_waits_no_longer_than_it_may(
    address: &PostgresAddress,
    engine: &Engine,
) {
    let (other, _) = open(address).await.unwrap();
    let other = other.with_write_wait(Duration::from_millis(300));
    let writing = engine.write().await.unwrap();
    // One after the other they would take some six seconds.
    let waiting = (0..20).map(|_| other.write());
    let waited = timeout(
        Duration::from_secs(4),
        futures_util::future::join_all(waiting),
    );
    for refused in waited.await.unwrap() {
        let error = refused.unwrap_err();
        assert!(matches!(error, MetadataError::Busy(_)), "{error:?}");
    }
    drop(writing);
    let other = other.with_write_wait(Duration::from_secs(5));
    let mut transaction = other.write().await.unwrap();
    // Statements wait for locks as long as ever.
    let wait = sql!("SELECT current_setting('lock_timeout') AS wait");
    let wait: Option<String> = transaction.row(wait).await.unwrap();
    assert_eq!(wait.as_deref(), Some("8s"));
    drop(transaction);
    other.close().await;
}

/// An error that the client library itself reports does not make a connection lost.
#[test]
fn an_error_of_the_client_is_no_lost_connection() {
    let error = "host=a port=b".parse::<tokio_postgres::Config>();
    let error = error.unwrap_err();
    assert!(error.code().is_none());
    let error = MetadataError::from(error);
    assert!(matches!(error, MetadataError::Failed(_)), "{error:?}");
}
