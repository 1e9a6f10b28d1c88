//! What was shown is told in few calls, and each has its own answer.

use std::time::Duration;

use content_service::{profiles::Profiles, shown::Recorder};
use futures::{future::join_all, poll};
use proto::profile::Shown;
use runtime::trace::TraceParent;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};

use crate::{fakes, world::until};

/// A recorder before a profile-service that holds its answers back for as long as it is told to.
struct Bench {
    recorder: Recorder,
    told: fakes::Profiles,
    held: watch::Sender<bool>,
    _ends: DropGuard,
}

impl Bench {
    async fn start(deadline: Duration) -> Self {
        let (told, ends, (held, is_held)) =
            (fakes::Profiles::default(), CancellationToken::new(), watch::channel(true));
        told.lock().held = Some(is_held);
        let (address, _serving) = told.start(([127, 0, 0, 1], 0).into()).await;
        let (profiles, looking_up) =
            Profiles::new(&format!("http://{address}"), deadline, ends.clone()).unwrap();
        let (recorder, recording) = Recorder::new(profiles, ends.clone());
        tokio::spawn(looking_up);
        tokio::spawn(recording);
        Self { recorder, told, held, _ends: ends.drop_guard() }
    }

    fn record(&self, id: &str) -> impl Future<Output = Result<(), Status>> + Send + use<> {
        let (recorder, shown) = (self.recorder.clone(), Shown { id: id.to_owned(), ..Shown::default() });
        async move { recorder.record(shown, TraceParent::new_root()).await }
    }

    async fn calls(&self, count: usize) {
        until("so many calls", || async { self.told.lock().calls.len() == count }).await;
    }

    /// As many calls as there may be at once.
    async fn busy(&self) -> [JoinHandle<Result<(), Status>>; 2] {
        let first = tokio::spawn(self.record("s0"));
        self.calls(1).await;
        let second = tokio::spawn(self.record("s1"));
        self.calls(2).await;
        [first, second]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_calls_are_under_way_goes_together_and_each_has_its_own_answer() {
    let bench = Bench::start(Duration::from_secs(20)).await;
    bench.told.lock().refuse.insert("s4".to_owned(), Code::InvalidArgument);
    let under_way = bench.busy().await;
    let mut more = std::pin::pin!(join_all((2..12).map(|n| bench.record(&format!("s{n}")))));
    assert!(poll!(&mut more).is_pending());

    bench.held.send(false).unwrap();
    let codes: Vec<_> = more.await.into_iter().map(|answer| answer.map_err(|status| status.code())).collect();
    let expected: Vec<_> =
        (2..12).map(|n| if n == 4 { Err(Code::InvalidArgument) } else { Ok(()) }).collect();
    assert_eq!(codes, expected);
    for record in under_way {
        record.await.unwrap().unwrap();
    }
    assert_eq!(bench.told.lock().calls, [1, 1, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_not_told() {
    let bench = Bench::start(Duration::from_secs(20)).await;
    let _under_way = bench.busy().await;
    let mut left = Box::pin(bench.record("left"));
    let mut kept = Box::pin(bench.record("kept"));
    assert!(poll!(&mut left).is_pending() && poll!(&mut kept).is_pending());
    drop(left);
    bench.held.send(false).unwrap();
    kept.await.unwrap();
    assert!(bench.told.lock().shown.iter().all(|shown| shown.id != "left"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_longer_than_the_deadline_and_then_the_way_is_free_again() {
    let bench = Bench::start(Duration::from_millis(500)).await;
    let waiting = (0..4).map(|n| bench.record(&format!("s{n}")));
    for answer in join_all(waiting).await {
        // The call has the same deadline, and tonic calls its end a cancellation.
        let code = answer.unwrap_err().code();
        assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code:?}");
    }
    bench.held.send(false).unwrap();
    until("what is told is answered", || async { bench.record("next").await.is_ok() }).await;
}
