//! When a batch is called for, and what goes along.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::Instant,
};

use super::*;

type Called = UnboundedReceiver<(Vec<u32>, Duration)>;

/// Batches of numbers, and each call of them with the time at which it began. A call takes as many milliseconds as its first number
/// says, and panics when that is 13.
fn batches() -> (Batches<u32>, Called) {
    let (call, called) = mpsc::unbounded_channel();
    let start = Instant::now();
    let batches = Batches::new(move |batch: Vec<u32>| {
        let takes = batch[0];
        call.send((batch, start.elapsed())).unwrap();
        async move {
            tokio::time::sleep(Duration::from_millis(takes.into())).await;
            assert_ne!(takes, 13, "a defect");
        }
    });
    (batches, called)
}

fn push(batches: &Batches<u32>, numbers: impl IntoIterator<Item = u32>) {
    numbers.into_iter().for_each(|number| batches.push(number).unwrap());
}

async fn begins(called: &mut Called, batch: impl IntoIterator<Item = u32>, at_ms: u64) {
    let expected = (batch.into_iter().collect(), Duration::from_millis(at_ms));
    assert_eq!(called.recv().await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_hour_waits_for_nothing_and_what_comes_during_calls_goes_together() {
    let (batches, mut called) = batches();
    push(&batches, [10]);
    begins(&mut called, [10], 0).await;
    push(&batches, [15]);
    begins(&mut called, [15], 0).await;
    push(&batches, 100..140);
    begins(&mut called, 100..140, 10).await;
    push(&batches, 1..=130);
    begins(&mut called, 1..=64, 15).await;
    begins(&mut called, 65..=128, 16).await;
    begins(&mut called, [129, 130], 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_or_panics_holds_nobody_up() {
    let (batches, mut called) = batches();
    push(&batches, [5_000]);
    begins(&mut called, [5_000], 0).await;
    push(&batches, [6_000]);
    begins(&mut called, [6_000], 0).await;
    push(&batches, [13, 1]);
    begins(&mut called, [13, 1], 20).await;
    push(&batches, [7_000]);
    begins(&mut called, [7_000], 20).await;
    push(&batches, [1]);
    begins(&mut called, [1], 33).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_waits_than_the_queue_holds() {
    let (batches, mut called) = batches();
    push(&batches, [1, 2]);
    begins(&mut called, [1, 2], 0).await;
    let most = u32::try_from(WAITING).unwrap();
    push(&batches, [1]);
    begins(&mut called, [1], 0).await;
    push(&batches, 0..most);
    assert_eq!(batches.push(0), Err(Full));
}
