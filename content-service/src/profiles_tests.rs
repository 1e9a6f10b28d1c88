//! The address book: who is asked while names change, fail and find nobody.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proto::profile::{
    EnrichResponse, EraseRequest, EraseResponse, GetRequest, GetResponse, ImportRequest, ImportResponse,
    RecordAllResponse, RecordResponse, UpdateRequest, UpdateResponse,
    profile_service_server::{ProfileService, ProfileServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Response, Streaming, async_trait, transport::Server};

use super::*;

fn address(n: u8) -> SocketAddr {
    ([10, 0, 0, n], 50051).into()
}

fn some(numbers: &[u8]) -> BTreeSet<SocketAddr> {
    numbers.iter().copied().map(address).collect()
}

/// `+10.0.0.1` and `-10.0.0.1`, in order.
fn told(changes: &[AddressChange]) -> Vec<String> {
    let word = |change: &AddressChange| match change {
        Change::Insert(address, _) => format!("+{}", address.ip()),
        Change::Remove(address) => format!("-{}", address.ip()),
    };
    changes.iter().map(word).collect()
}

#[test]
fn addresses_that_come_are_asked_before_those_that_go_are_left() {
    let mut book = AddressBook::default();
    assert_eq!(told(&book.note("a", some(&[1, 2]))), ["+10.0.0.1", "+10.0.0.2"]);
    assert_eq!(told(&book.note("a", some(&[1, 2]))), [""; 0]);
    assert_eq!(told(&book.note("a", some(&[2, 3]))), ["+10.0.0.3", "-10.0.0.1"]);
}

#[test]
fn a_look_up_that_finds_nobody_changes_nothing() {
    let mut book = AddressBook::default();
    assert_eq!(told(&book.note("a", some(&[]))), [""; 0]);
    book.note("a", some(&[1]));
    assert_eq!(told(&book.note("a", some(&[]))), [""; 0]);
    assert_eq!(book.all(), some(&[1]));
}

#[test]
fn a_name_that_is_not_found_keeps_its_addresses_while_another_is_found() {
    let mut book = AddressBook::default();
    book.note("a", some(&[1]));
    book.note("b", some(&[2]));
    assert_eq!(told(&book.note("a", some(&[]))), [""; 0]);
    assert_eq!(told(&book.note("b", some(&[3]))), ["+10.0.0.3", "-10.0.0.2"]);
    assert_eq!(book.all(), some(&[1, 3]));
}

#[test]
fn an_address_under_two_names_is_left_when_neither_has_it() {
    let mut book = AddressBook::default();
    book.note("a", some(&[1, 2]));
    assert_eq!(told(&book.note("b", some(&[1]))), [""; 0]);
    assert_eq!(told(&book.note("a", some(&[2]))), [""; 0]);
    assert_eq!(told(&book.note("b", some(&[2]))), ["-10.0.0.1"]);
}

proptest! {
    #[test]
    fn whoever_follows_the_changes_knows_the_addresses_and_never_has_none(
        found in proptest::collection::vec((0..3_u8, proptest::collection::btree_set(0..6_u8, 0..4)), 1..40)
    ) {
        let (mut book, mut follower) = (AddressBook::default(), BTreeSet::new());
        for (name, numbers) in found {
            for change in book.note(&name.to_string(), numbers.into_iter().map(address).collect()) {
                let known = match change {
                    Change::Insert(address, _) => follower.insert(address),
                    Change::Remove(address) => follower.remove(&address),
                };
                prop_assert!(known, "told twice");
                prop_assert!(!follower.is_empty());
            }
            prop_assert_eq!(&follower, &book.all());
        }
    }
}

/// What the resolver says now.
type Resolver = Arc<Mutex<Result<BTreeSet<SocketAddr>, io::ErrorKind>>>;

struct Replica;

#[async_trait]
impl ProfileService for Replica {
    async fn enrich(&self, _: Request<EnrichRequest>) -> Result<Response<EnrichResponse>, Status> {
        Ok(Response::new(EnrichResponse { enrichment: Some(Enrichment::default()) }))
    }

    async fn record(&self, _: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn record_all(&self, _: Request<RecordAllRequest>) -> Result<Response<RecordAllResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn update(&self, _: Request<UpdateRequest>) -> Result<Response<UpdateResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn import(&self, _: Request<Streaming<ImportRequest>>) -> Result<Response<ImportResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn erase(&self, _: Request<EraseRequest>) -> Result<Response<EraseResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }
}

/// A replica and the way to end it.
async fn replica() -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, ends) = (listener.local_addr().unwrap(), CancellationToken::new());
    let serving = Server::builder().add_service(ProfileServiceServer::new(Replica));
    tokio::spawn(
        serving
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), ends.clone().cancelled_owned()),
    );
    (address, ends)
}

/// A client whose names are looked up all the time, and whoever answers for the names.
fn followed() -> (Profiles, Resolver) {
    let resolver: Resolver = Arc::new(Mutex::new(Err(io::ErrorKind::NotFound)));
    let (profiles, changes) = Profiles::balanced(Duration::from_secs(2));
    let asked = Arc::clone(&resolver);
    let find = move |_| {
        let found = asked.lock().unwrap().clone();
        async move { found.map_err(io::Error::from) }
    };
    tokio::spawn(look_up(vec!["profile:50051".to_owned()], changes, find, Duration::from_millis(5)));
    (profiles, resolver)
}

/// How many of a hundred calls fail.
async fn failed(profiles: &Profiles) -> usize {
    let mut failed = 0;
    for _ in 0..100 {
        let trace = TraceParent::new_root();
        failed += usize::from(profiles.enrich(&Event::default(), &[], trace).await.is_err());
    }
    failed
}

#[tokio::test]
async fn replicas_are_replaced_and_names_fail_and_fewer_than_one_call_in_a_hundred_does() {
    let (profiles, resolver) = followed();
    let found = |found| *resolver.lock().unwrap() = found;
    let ((first, first_ends), (second, second_ends)) = (replica().await, replica().await);
    found(Ok(BTreeSet::from([first, second])));
    let mut all = failed(&profiles).await;
    first_ends.cancel();
    all += failed(&profiles).await;
    let (third, _stays) = replica().await;
    found(Ok(BTreeSet::from([second, third])));
    all += failed(&profiles).await;
    for nothing in [Ok(BTreeSet::new()), Err(io::ErrorKind::NotFound), Err(io::ErrorKind::TimedOut)] {
        found(nothing);
        all += failed(&profiles).await;
    }
    found(Ok(BTreeSet::from([third])));
    all += failed(&profiles).await;
    second_ends.cancel();
    all += failed(&profiles).await;
    assert!(all < 8, "{all} of 800 calls failed");
}
