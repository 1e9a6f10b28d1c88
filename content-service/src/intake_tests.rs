//! Backpressure, rebalances and marks without a broker.

use super::*;
use prost::Message as _;
use proto::event::{Event, TextReceived, Unsubscribed, event::Kind};
use rdkafka::{
    Timestamp,
    message::{Header, OwnedHeaders, OwnedMessage},
};

fn event(kind: Kind) -> Record {
    let event = Event { id: "e".into(), app_id: "wx1".into(), kind: Some(kind), ..Event::default() };
    let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some("e") });
    let (value, time) = (event.encode_to_vec(), Timestamp::NotAvailable);
    Record::read(OwnedMessage::new(Some(value), None, String::new(), time, 0, 0, Some(headers)))
}

pub(super) fn record() -> Record {
    event(Kind::TextReceived(TextReceived::default()))
}

fn intake(total: usize, buffer: usize) -> Intake {
    let mut intake = Intake::new(1, Bounds::divide(total, 1), buffer);
    intake.assign(0, None);
    intake.assign(1, None);
    intake
}

#[test]
fn a_full_buffer_pauses_its_partition_and_room_resumes_it() {
    let mut intake = intake(1, 4);
    let first = intake.take(0, 0, 0, b"u0", record());
    assert_eq!((first.start.len(), first.pause), (1, None));
    let pauses: Vec<_> =
        (1..=4).map(|n| intake.take(0, 0, n, format!("u{n}").as_bytes(), record()).pause).collect();
    assert_eq!(pauses, [None, None, None, Some(0)]);
    let mut running = first.start;
    let mut resumed = Vec::new();
    while let Some(work) = running.pop() {
        let next = intake.finish(&work, true);
        resumed.extend(next.resume);
        running.extend(next.start);
    }
    assert_eq!(resumed, [0]);
    assert_eq!(intake.moved(), [(0, 5)]);
    assert_eq!(intake.moved(), [], "told once");
}

#[test]
fn a_hot_user_is_answered_with_the_newest_and_holds_nobody_up() {
    let mut intake = intake(9, 100);
    let mut running = intake.take(0, 0, 0, b"hot", record()).start;
    let mut superseded = Vec::new();
    for offset in 1..1_000 {
        let next = intake.take(0, 0, offset, b"hot", record());
        assert_eq!(next.pause, None, "at {offset}");
        for work in next.start {
            assert!(work.superseded);
            superseded.push(work.offset);
            intake.finish(&work, true);
        }
    }
    assert_eq!(superseded, (1..=935).collect::<Vec<_>>(), "the oldest first");
    assert_eq!(intake.take(0, 0, 1_000, b"cool", record()).start.len(), 1);
    let mut answered = Vec::new();
    while let Some(work) = running.pop() {
        answered.push(work.offset);
        running.extend(intake.finish(&work, true).start);
    }
    assert_eq!(answered[1..], (936..1_000).collect::<Vec<_>>());
    assert_eq!(intake.marks(&[0]), [(0, 1_000)]);
}

#[test]
fn what_erases_a_profile_never_gives_way() {
    let mut intake = intake(9, 100);
    intake.longest_lane = 1;
    let unsubscribed = || event(Kind::Unsubscribed(Unsubscribed::default()));
    let mut start = |offset, record| {
        let start = intake.take(0, 0, offset, b"u", record).start;
        start.iter().map(|work| (work.offset, work.superseded)).collect::<Vec<_>>()
    };
    assert_eq!(start(0, record()), [(0, false)]);
    assert_eq!(start(1, unsubscribed()), []);
    assert_eq!(start(2, unsubscribed()), []);
    assert_eq!(start(3, record()), [(3, true)], "nothing else may");
}

#[test]
fn a_partition_given_up_forgets_what_waits_and_fences_what_runs() {
    let mut intake = intake(9, 9);
    let mut running = intake.take(0, 0, 7, b"u", record()).start;
    assert!(intake.take(0, 0, 8, b"u", record()).start.is_empty(), "one at a time per user");
    intake.stop(&[0]);
    assert!(!intake.idle(&[0]));
    assert_eq!(intake.marks(&[0]), [(0, 7)]);
    intake.lose(&[0]);
    let late = running.pop().unwrap();
    assert!(!late.mine.holds());

    intake.assign(0, Some(7));
    assert!(intake.take(0, 0, 7, b"u", record()).start.is_empty(), "the straggler still has the user's lane");
    let next = intake.finish(&late, true);
    assert_eq!(next.start.len(), 1);
    assert_eq!(
        intake.marks(&[0]),
        [(0, 7)],
        "what ended under the old assignment moves no mark of the new one"
    );
    intake.finish(&next.start[0], true);
    assert_eq!(intake.marks(&[0]), [(0, 8)]);
}

#[test]
fn a_record_that_comes_again_after_a_rewind_is_worked_on_again_behind_what_still_runs() {
    let mut intake = intake(9, 9);
    let before = intake.take(0, 0, 7, b"u", record()).start;
    let rewound = intake.take(0, 0, 7, b"u", record());
    assert!(rewound.jump == Some(Jump::Back) && rewound.start.is_empty(), "one at a time per user");
    let again = intake.finish(&before[0], true).start;
    assert_eq!((again.len(), intake.marks(&[0])), (1, vec![(0, 7)]));
    intake.finish(&again[0], true);
    assert_eq!(intake.marks(&[0]), [(0, 8)]);
    assert!(intake.idle(&[0]));
}

#[test]
fn abandoned_work_holds_the_mark() {
    let mut intake = intake(9, 9);
    let one = intake.take(0, 0, 1, b"a", record()).start;
    let two = intake.take(0, 0, 2, b"b", record()).start;
    intake.finish(&one[0], false);
    intake.finish(&two[0], true);
    assert_eq!(intake.marks(&[0]), [(0, 1)]);
}

#[test]
fn records_that_retention_took_away_are_counted_at_the_start_and_under_way() {
    let mut intake = Intake::new(1, Bounds::divide(9, 1), 9);
    intake.assign(0, Some(100));
    let mut jumps = |partition, offsets: [i64; 3]| {
        offsets.map(|offset| intake.take(0, partition, offset, b"u", record()).jump)
    };
    assert_eq!(jumps(0, [130, 131, 140]), [Some(Jump::Over(30)), None, Some(Jump::Over(8))]);
    assert_eq!(jumps(0, [0, 1, 2]), [Some(Jump::Back), None, None], "the topic was made anew");
    assert_eq!(jumps(1, [500, 501, 502]), [None; 3], "nothing was committed, so nothing was expected");
}
