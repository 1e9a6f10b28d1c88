//! Replicas that share one token: how often they call the token endpoint, whatever others do with it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use wechat::api::{Client, Config, InMemory, Sent};

use crate::support::{self, Act, Server, errcode, token};

const PATIENCE: Duration = Duration::from_secs(5);

fn fleet(server: &Server) -> Vec<Client> {
    let tokens = Arc::new(InMemory::default());
    let config = || Config { tokens: Arc::<InMemory>::clone(&tokens), ..server.config() };
    (0..3).map(|_| Client::new(config()).unwrap()).collect()
}

/// Each client sends ten messages, all at once.
async fn burst(clients: &[Client]) -> Vec<Sent> {
    let sends = clients.iter().flat_map(|client| (0..10).map(move |_| client.send("{}", PATIENCE)));
    support::all(sends.collect()).await
}

/// A platform that gives the token of its present rotation, the same to everybody, and refuses every other.
async fn rotating() -> (Server, Arc<AtomicUsize>) {
    let rotation = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&rotation);
    let server = Server::start(move |request, _| {
        let good = format!("T{}", current.load(Ordering::SeqCst));
        match request.is_token() {
            true => token(&good),
            false if request.token() == good => errcode(0),
            false => errcode(40_001),
        }
    })
    .await;
    (server, rotation)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_costs_the_fleet_one_call_and_loses_no_message() {
    let (server, rotation) = rotating().await;
    let clients = fleet(&server);
    for calls in 1..=2 {
        let sends = burst(&clients).await;
        assert!(sends.iter().all(|sent| *sent == Sent::Taken), "{sends:?}");
        assert_eq!(server.tokens(), calls);
        rotation.fetch_add(1, Ordering::SeqCst);
    }
    let calls: u64 = clients.iter().map(Client::token_calls).sum();
    assert_eq!(calls, 2, "what is counted is what arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_replaces_the_token_again_and_again_gets_two_calls_a_minute_from_us() {
    let (server, rotation) = rotating().await;
    let clients = fleet(&server);
    for _ in 0..5 {
        burst(&clients).await;
        rotation.fetch_add(1, Ordering::SeqCst);
    }
    assert_eq!(server.tokens(), 2);
    let sends = burst(&clients).await;
    let refused = |sent: &Sent| matches!(sent, Sent::Refused { errcode: 40_001, .. });
    assert!(sends.iter().all(refused), "what is not taken can be tried again later: {sends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_is_asked_by_one_of_them_and_left_alone_longer_each_time() {
    let server = Server::start(|_, _| errcode(40_164)).await;
    let clients = fleet(&server);
    let started = Instant::now();
    while server.tokens() < 2 {
        let sends = burst(&clients).await;
        let refused =
            |sent: &Sent| matches!(sent, Sent::NotSent { reason } if reason.to_string().contains("40164"));
        assert!(sends.iter().all(refused), "every replica knows why: {sends:?}");
    }
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "the second call came after {:?}",
        started.elapsed()
    );
    assert_eq!(server.sends().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_still_valid_serves_while_the_endpoint_is_down() {
    let down = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&down);
    let server = Server::start(move |request, _| match request.is_token() {
        true if away.load(Ordering::SeqCst) => Act::Close,
        // Half of its life is left when it is to be renewed.
        true => Act::Json(json!({ "access_token": "T", "expires_in": 4 })),
        false => errcode(0),
    })
    .await;
    let client = server.client();
    client.token_ready().await.unwrap();
    down.store(true, Ordering::SeqCst);
    while server.tokens() < 2 {
        assert_eq!(client.send("{}", PATIENCE).await, Sent::Taken);
    }
    assert_eq!(client.send("{}", PATIENCE).await, Sent::Taken);
    assert_eq!(server.tokens(), 2, "it is not asked for with every message");
}
