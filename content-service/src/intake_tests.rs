//! Backpressure, rebalances and marks without a broker.

use super::*;
use prost::Message as _;
use proto::event::{Event, TextReceived, Unsubscribed, event::Kind};
use rdkafka::{
    Timestamp,
    message::{Header, OwnedHeaders, OwnedMessage},
};

fn event(user: &str, kind: Kind) -> Record {
    let event = Event { id: "e".into(), app_id: "wx1".into(), kind: Some(kind), ..Event::default() };
    let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some("e") });
    let (key, value, time) = (user.as_bytes().to_vec(), event.encode_to_vec(), Timestamp::NotAvailable);
    Record::read(OwnedMessage::new(Some(value), Some(key), String::new(), time, 0, 0, Some(headers)))
}

pub(super) fn from(user: &str) -> Record {
    event(user, Kind::TextReceived(TextReceived::default()))
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
    let first = intake.take(0, 0, 0, from("u0"));
    assert_eq!((first.start.len(), first.pause), (1, None));
    let pauses: Vec<_> = (1..=4).map(|n| intake.take(0, 0, n, from(&format!("u{n}"))).pause).collect();
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
    let mut running = intake.take(0, 0, 0, from("hot")).start;
    let mut superseded = Vec::new();
    for offset in 1..1_000 {
        let next = intake.take(0, 0, offset, from("hot"));
        assert_eq!(next.pause, None, "at {offset}");
        for work in next.start {
            assert!(work.superseded);
            superseded.push(work.offset);
            intake.finish(&work, true);
        }
    }
    assert_eq!(superseded, (1..=935).collect::<Vec<_>>(), "the oldest first");
    assert_eq!(intake.take(0, 0, 1_000, from("cool")).start.len(), 1);
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
    let unsubscribed = || event("u", Kind::Unsubscribed(Unsubscribed::default()));
    let mut start = |offset, record| {
        let start = intake.take(0, 0, offset, record).start;
        start.iter().map(|work| (work.offset, work.superseded)).collect::<Vec<_>>()
    };
    assert_eq!(start(0, from("u")), [(0, false)]);
    assert_eq!(start(1, unsubscribed()), []);
    assert_eq!(start(2, unsubscribed()), []);
    assert_eq!(start(3, from("u")), [(3, true)], "nothing else may");
}

#[test]
fn a_partition_given_up_forgets_what_waits_and_fences_what_runs() {
    let mut intake = intake(9, 9);
    let mut running = intake.take(0, 0, 7, from("u")).start;
    assert!(intake.take(0, 0, 8, from("u")).start.is_empty(), "one at a time per user");
    intake.stop(&[0]);
    assert!(!intake.idle(&[0]));
    assert_eq!(intake.marks(&[0]), [(0, 7)]);
    intake.lose(&[0]);
    let late = running.pop().unwrap();
    assert!(!late.mine.holds());

    intake.assign(0, Some(7));
    assert!(intake.take(0, 0, 7, from("u")).start.is_empty(), "the straggler still has the user's lane");
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
    let before = intake.take(0, 0, 7, from("u")).start;
    let rewound = intake.take(0, 0, 7, from("u"));
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
    let one = intake.take(0, 0, 1, from("a")).start;
    let two = intake.take(0, 0, 2, from("b")).start;
    intake.finish(&one[0], false);
    intake.finish(&two[0], true);
    assert_eq!(intake.marks(&[0]), [(0, 1)]);
}

#[test]
fn records_that_retention_took_away_are_counted_at_the_start_and_under_way() {
    let mut intake = Intake::new(1, Bounds::divide(9, 1), 9);
    intake.assign(0, Some(100));
    let mut jumps = |partition, offsets: [i64; 3]| {
        offsets.map(|offset| intake.take(0, partition, offset, from("u")).jump)
    };
    assert_eq!(jumps(0, [130, 131, 140]), [Some(Jump::Over(30)), None, Some(Jump::Over(8))]);
    assert_eq!(jumps(0, [0, 1, 2]), [Some(Jump::Back), None, None], "the topic was made anew");
    assert_eq!(jumps(1, [500, 501, 502]), [None; 3], "nothing was committed, so nothing was expected");
}

/// Reads what is wanted as often as there is room.
fn catch_up(intake: &mut Intake, reader: &Behind) -> Vec<Work> {
    let mut start = Vec::new();
    while let Wanted::Places(places) = intake.wanted(reader) {
        let found = |place: Place| Again { place, record: Some(from(&format!("slow{}", place.offset % 3))) };
        start.extend(intake.take_again(reader, places.into_iter().map(found).collect()).start);
    }
    start
}

#[test]
fn an_account_that_is_slow_is_left_behind_holds_nobody_up_and_catches_up_in_order() {
    let mut intake = Intake::new(2, Bounds { own: 1, shared: 1 }, 8);
    let (mut slow, mut readers) = (Vec::new(), Vec::new());
    for offset in 0..200 {
        let account = usize::from(offset % 2 == 1);
        let user = if account == 1 { "quick".to_owned() } else { format!("slow{}", offset % 3) };
        let next = intake.take(account, 0, offset, from(&user));
        assert_eq!(next.pause, None, "at {offset}");
        readers.extend(next.behind);
        for work in next.start {
            if work.account == 1 {
                assert_eq!(work.offset, offset, "at once");
                slow.extend(intake.finish(&work, true).start);
            } else {
                slow.push(work);
            }
        }
    }
    let [reader] = &readers[..] else { panic!("one reader: {readers:?}") };
    assert_eq!(intake.open().collect::<Vec<_>>(), [(0, 200, 94)], "of the slow ones all but those in memory");
    let mut ended: Vec<i64> = Vec::new();
    while let Some(work) = (!slow.is_empty()).then(|| slow.remove(0)) {
        slow.extend(intake.finish(&work, true).start);
        slow.extend(catch_up(&mut intake, reader));
        ended.push(work.offset);
    }
    assert_eq!(intake.wanted(reader), Wanted::Over);
    assert_eq!((ended.len(), intake.marks(&[0])), (100, vec![(0, 200)]));
    for user in 0..3 {
        assert!(ended.iter().filter(|offset| *offset % 3 == user).is_sorted(), "{ended:?}");
    }
}

#[test]
fn what_was_read_again_before_a_rewind_counts_for_nothing_after_it() {
    let mut intake = Intake::new(2, Bounds { own: 0, shared: 1 }, 16);
    let mut nexts: Vec<_> =
        (0..12).map(|offset| intake.take(0, 0, offset, from(&format!("u{offset}")))).collect();
    let reader = nexts.iter_mut().find_map(|next| next.behind.take()).unwrap();
    let mut running = nexts.remove(0).start;
    for _ in 0..8 {
        let work = running.pop().unwrap();
        running = intake.finish(&work, true).start;
    }
    let Wanted::Places(places) = intake.wanted(&reader) else { panic!("there is room") };
    assert_eq!(places.iter().map(|place| place.offset).collect::<Vec<_>>(), [9, 10, 11]);
    assert_eq!(intake.take(0, 0, 10, from("u10")).jump, Some(Jump::Back));
    let stale = places.iter().map(|place| Again { place: *place, record: Some(from("u")) });
    assert!(intake.take_again(&reader, stale.collect()).start.is_empty());
    let Wanted::Places(places) = intake.wanted(&reader) else { panic!("there is still room") };
    assert_eq!(places, [Place { offset: 10, reading: 1 }]);
}

#[test]
fn an_account_alone_waits_and_so_does_one_of_which_too_much_is_behind() {
    let mut alone = intake(1, 4);
    let pauses = (0..6).filter_map(|offset| {
        let next = alone.take(0, 0, offset, from(&format!("u{offset}")));
        assert!(next.behind.is_none());
        next.pause
    });
    assert_eq!(pauses.count(), 1);

    let mut intake = Intake::new(2, Bounds { own: 0, shared: 1 }, 4);
    let mut most = 0;
    let paused = (0..1_000).find_map(|offset| {
        most = offset;
        intake.take(0, 0, offset, from(&format!("u{offset}"))).pause
    });
    assert_eq!((paused, most), (Some(0), 130), "32 places for each record that memory has room for");
}

#[test]
fn four_accounts_that_stand_still_hold_nobody_up_and_a_fifth_fills_the_memory() {
    let mut intake = Intake::new(6, Bounds { own: 1, shared: 0 }, 32);
    let mut offsets = 0..;
    let mut stands_still = |account| {
        let takes = (0..200).map(|user| {
            let record = from(&format!("{account}-{user}"));
            intake.take(account, 0, offsets.next().unwrap(), record).pause.is_some()
        });
        takes.filter(|paused| *paused).count()
    };
    assert_eq!([0, 1, 2, 3].map(&mut stands_still), [0; 4]);
    assert_eq!(stands_still(4), 1);
}

#[test]
fn who_is_left_behind_may_have_what_nobody_else_needs() {
    let mut intake = Intake::new(2, Bounds { own: 8, shared: 0 }, 16);
    let mut nexts: Vec<_> = (0..30).map(|offset| intake.take(0, 0, offset, from("u"))).collect();
    let reader = nexts.iter_mut().find_map(|next| next.behind.take()).unwrap();
    assert_eq!(intake.wanted(&reader), Wanted::Nothing);
    let mut running = nexts.remove(0).start;
    for _ in 0..4 {
        running = intake.finish(&running[0], true).start;
    }
    let Wanted::Places(places) = intake.wanted(&reader) else { panic!("half of it is free") };
    assert_eq!(places.len(), 4, "of eight that are half of the memory");
}

#[test]
fn one_event_that_does_not_end_bounds_what_is_taken_behind_it() {
    let mut intake = Intake::new(1, Bounds { own: 0, shared: 2 }, 1);
    let stuck = intake.take(0, 0, 0, from("stuck")).start;
    let mut paused = (1..1_000).filter_map(|offset| {
        let next = intake.take(0, 0, offset, from("u"));
        next.start.iter().for_each(|work| drop(intake.finish(work, true)));
        next.pause.map(|_| offset)
    });
    assert_eq!(paused.next(), Some(127));
    assert_eq!(intake.finish(&stuck[0], true).resume, [0]);
}
