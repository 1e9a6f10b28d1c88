//! profile-service over real sockets: replicas that come and go, and answers of their own for what is told in one call.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{
    StreamExt as _,
    future::join_all,
    poll,
    stream::{self, BoxStream},
};
use proto::profile::{
    EnrichAllResponse, EnrichResponse, RecordAllResponse, RecordResponse, Refusal, enrich_all_response,
    profile_service_server::{ProfileService, ProfileServiceServer},
    record_all_response,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Streaming, async_trait, transport::Server};

use super::*;

/// What the resolver says now.
type Resolver = Arc<Mutex<Result<BTreeSet<SocketAddr>, io::ErrorKind>>>;

type Answers<A> = BoxStream<'static, Result<A, Status>>;

/// Knows everybody. What was shown as `bad` is refused, and with `breaks` the call breaks.
#[derive(Clone)]
struct Replica {
    /// While it says so no call has an answer.
    held: watch::Receiver<bool>,
    /// What each call told as shown.
    told: Arc<Mutex<Vec<Vec<String>>>>,
    calls: Arc<AtomicUsize>,
    /// Which calls, by their number, are refused as a whole.
    refuses: fn(usize) -> Option<Code>,
}

impl Replica {
    fn new(held: watch::Receiver<bool>) -> Self {
        Self { held, told: Arc::default(), calls: Arc::default(), refuses: |_| None }
    }

    async fn asked<Q>(&self, requests: Request<Streaming<Q>>) -> Result<Vec<Q>, Status> {
        if let Some(code) = (self.refuses)(self.calls.fetch_add(1, Ordering::Relaxed)) {
            return Err(Status::new(code, "as scripted"));
        }
        self.held.clone().wait_for(|held| !held).await.unwrap();
        Ok(requests.into_inner().map(Result::unwrap).collect().await)
    }
}

/// In another order than that of the questions.
fn answers<Q, A: Send + 'static>(
    asked: Vec<Q>,
    one: impl Fn(u32, Q) -> Result<A, Status>,
) -> Response<Answers<A>> {
    let mut answers: Vec<_> = (0..).zip(asked).map(|(number, question)| one(number, question)).collect();
    answers.reverse();
    Response::new(stream::iter(answers).boxed())
}

#[async_trait]
impl ProfileService for Replica {
    async fn enrich_all(
        &self,
        requests: Request<Streaming<EnrichAllRequest>>,
    ) -> Result<Response<Answers<EnrichAllResponse>>, Status> {
        let one = |number, _| {
            let response = EnrichResponse { enrichment: Some(Enrichment::default()) };
            Ok(EnrichAllResponse { number, result: Some(enrich_all_response::Result::Response(response)) })
        };
        Ok(answers(self.asked(requests).await?, one))
    }

    async fn record_all(
        &self,
        requests: Request<Streaming<RecordAllRequest>>,
    ) -> Result<Response<Answers<RecordAllResponse>>, Status> {
        let asked = self.asked(requests).await?;
        self.told.lock().unwrap().push(asked.iter().map(shown_id).collect());
        let one = |number, asked| {
            let response = RecordResponse { version: 1, applied: true };
            let refusal = Refusal { code: Code::InvalidArgument.into(), message: "as scripted".to_owned() };
            let result = match shown_id(&asked).as_str() {
                "bad" => record_all_response::Result::Refusal(refusal),
                "breaks" => return Err(Status::data_loss("as scripted")),
                _ => record_all_response::Result::Response(response),
            };
            Ok(RecordAllResponse { number, result: Some(result) })
        };
        Ok(answers(asked, one))
    }
}

fn shown_id(asked: &RecordAllRequest) -> String {
    match asked.request.as_ref().unwrap().what.as_ref().unwrap() {
        What::Shown(shown) => shown.id.clone(),
        What::Activity(_) => panic!("only what was shown is told"),
    }
}

impl Replica {
    /// One that serves, and the way to end it.
    async fn start(self) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, ends) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = Server::builder().add_service(ProfileServiceServer::new(self));
        tokio::spawn(
            serving.serve_with_incoming_shutdown(
                TcpListenerStream::new(listener),
                ends.clone().cancelled_owned(),
            ),
        );
        (address, ends)
    }
}

/// A replica that answers, and the way to end it.
async fn replica() -> (SocketAddr, CancellationToken) {
    let (_, held) = watch::channel(false);
    Replica::new(held).start().await
}

/// A client whose names are looked up all the time, and whoever answers for the names.
fn followed(deadline: Duration) -> (Profiles, Resolver) {
    let resolver: Resolver = Arc::new(Mutex::new(Err(io::ErrorKind::NotFound)));
    let (profiles, changes) = Profiles::balanced(deadline);
    let asked = Arc::clone(&resolver);
    let find = move |_| {
        let found = asked.lock().unwrap().clone();
        async move { found.map_err(io::Error::from) }
    };
    tokio::spawn(look_up(vec!["profile:50051".to_owned()], None, changes, find, Duration::from_millis(5)));
    (profiles, resolver)
}

/// How many of a hundred events are not enriched.
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
    let (profiles, resolver) = followed(Duration::from_secs(2));
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

/// Calls that a replica got for a hundred events, and how many of these were not enriched.
async fn storm(refuses: fn(usize) -> Option<Code>) -> (usize, usize) {
    let (_, held) = watch::channel(false);
    let replica = Replica { refuses, ..Replica::new(held) };
    let calls = Arc::clone(&replica.calls);
    let (address, _) = replica.start().await;
    let (profiles, resolver) = followed(Duration::from_secs(2));
    *resolver.lock().unwrap() = Ok(BTreeSet::from([address]));
    let failed = failed(&profiles).await;
    (calls.load(Ordering::Relaxed), failed)
}

#[tokio::test]
async fn f43_a_storm_of_refusals_costs_a_fifth_more_calls_and_never_more_than_two_for_an_event() {
    let every_tenth = |call| match call % 20 {
        9 => Some(Code::Unavailable),
        19 => Some(Code::ResourceExhausted),
        _ => None,
    };
    let (calls, failed) = storm(every_tenth).await;
    assert!(failed == 0 && (100..=120).contains(&calls), "{calls} calls, {failed} events not enriched");
    assert_eq!(storm(|_| Some(Code::Unavailable)).await, (200, 100));
}

/// A client of one replica that holds its answers back for as long as it is told to.
struct Bench {
    profiles: Profiles,
    told: Arc<Mutex<Vec<Vec<String>>>>,
    held: watch::Sender<bool>,
}

impl Bench {
    async fn start(deadline: Duration) -> Self {
        let (held, is_held) = watch::channel(true);
        let replica = Replica::new(is_held);
        let told = Arc::clone(&replica.told);
        let (address, _) = replica.start().await;
        let (profiles, resolver) = followed(deadline);
        *resolver.lock().unwrap() = Ok(BTreeSet::from([address]));
        Self { profiles, told, held }
    }

    async fn record(&self, id: &str) -> Result<(), String> {
        let shown = Shown { id: id.to_owned(), ..Shown::default() };
        let told = self.profiles.record_shown(&shown, TraceParent::new_root()).await;
        told.map_err(|why| match why {
            Unanswered::Refused(status) => format!("refused: {:?}", status.code()),
            Unanswered::Lost(status) => format!("lost: {:?}", status.code()),
        })
    }
}

#[tokio::test]
async fn what_goes_in_one_call_has_answers_of_its_own() {
    let bench = Bench::start(Duration::from_secs(20)).await;
    bench.held.send(false).unwrap();
    let answers = join_all(["a", "bad", "c"].map(|id| bench.record(id))).await;
    assert_eq!(answers, [Ok(()), Err("refused: InvalidArgument".to_owned()), Ok(())]);
    assert_eq!(*bench.told.lock().unwrap(), [["a", "bad", "c"]]);
}

#[tokio::test]
async fn a_call_that_breaks_takes_no_answer_back_that_was_given() {
    let bench = Bench::start(Duration::from_secs(20)).await;
    bench.held.send(false).unwrap();
    let answers = join_all(["a", "breaks", "c"].map(|id| bench.record(id))).await;
    let lost = || Err("lost: DataLoss".to_owned());
    assert_eq!(answers, [lost(), lost(), Ok(())], "c was answered before");
    let [first, again] = &bench.told.lock().unwrap()[..] else { panic!("one more try") };
    assert_eq!((first.len(), again.len()), (3, 2), "only what was lost is told again");
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_told() {
    let bench = Bench::start(Duration::from_secs(20)).await;
    let mut left = Box::pin(bench.record("left"));
    let mut kept = Box::pin(bench.record("kept"));
    assert!(poll!(&mut left).is_pending() && poll!(&mut kept).is_pending());
    drop(left);
    bench.held.send(false).unwrap();
    kept.await.unwrap();
    assert_eq!(*bench.told.lock().unwrap(), [["kept"]]);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline_and_then_the_way_is_free_again() {
    let bench = Bench::start(Duration::from_millis(500)).await;
    let since = Instant::now();
    for answer in join_all((0..4).map(|_| bench.record("late"))).await {
        // The call has the same end, and tonic calls that a cancellation.
        let why = answer.unwrap_err();
        assert!(["lost: DeadlineExceeded", "lost: Cancelled"].contains(&why.as_str()), "{why}");
    }
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    bench.held.send(false).unwrap();
    let free = async { while bench.record("next").await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(20), free).await.unwrap();
}
