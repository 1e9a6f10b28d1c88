//! The tools of the fault harness, tested themselves: a checker that finds nothing proves nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "faults/bounds.rs"]
mod bounds;
#[path = "faults/checker.rs"]
mod checker;
#[path = "checker/interference.rs"]
mod interference;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "faults/page/standing.rs"]
mod standing;
#[path = "faults/words.rs"]
mod words;

mod planted {
    //! Mistakes of every kind, put into books that are in order.

    use super::checker::{
        Allowed, Answer, Arrival, Books, Costs, End, Entry, Event, Outcome, Push, Violation, beyond, check,
        duplicates,
    };

    /// Two users with two texts each, all answered, told and delivered.
    fn in_order() -> Books {
        let mut books = Books { gateways: 1, ..Books::default() };
        for (n, user) in ["ann", "ben", "ann", "ben"].into_iter().enumerate() {
            let (id, text) = (format!("e{n}"), format!("text {n}"));
            let user = user.to_owned();
            let offset = i64::try_from(n).unwrap();
            let (begun_ms, place) = (100 * offset, (0, offset));
            books.pushes.push(Push { text: text.clone(), accepted: true, begun_ms, ended_ms: begun_ms + 50 });
            books.events.push(Event {
                id: id.clone(),
                user: user.clone(),
                text: text.clone(),
                place,
                at_ms: begun_ms + 20,
            });
            let parts = vec![(text.clone(), End::Sent)];
            let bytes = text.clone().into_bytes();
            books.outcomes.push(Outcome {
                event_id: id.clone(),
                user: user.clone(),
                end: End::Sent,
                reason: String::new(),
                bytes,
                parts,
            });
            books.arrivals.push(Arrival { user: user.clone(), text });
            books.answers.push(Answer { user, errcode: 0 });
            books.ledger.push(Entry { event_id: id, state: "closed".to_owned(), end: Some(End::Sent) });
        }
        books
    }

    fn after(plant: impl FnOnce(&mut Books)) -> Vec<Violation> {
        let mut books = in_order();
        plant(&mut books);
        check(&books, Allowed::default())
    }

    #[test]
    fn books_in_order_break_nothing() {
        assert_eq!(after(|_| {}), []);
    }

    #[test]
    fn what_the_platform_repeats_and_a_crash_publishes_again_breaks_nothing() {
        let found = after(|books| {
            let mut again = books.events[0].clone();
            again.place = (0, 9);
            books.events.push(again);
            books.outcomes.push(books.outcomes[1].clone());
        });
        assert_eq!(found, []);
    }

    #[test]
    fn a_push_that_was_refused_may_be_missing_and_an_accepted_one_may_not() {
        let push = |text: &str, accepted| Push { text: text.to_owned(), accepted, begun_ms: 0, ended_ms: 1 };
        let refused = push("refused", false);
        assert_eq!(after(|books| books.pushes.push(refused)), []);
        let accepted = push("gone", true);
        assert_eq!(after(|books| books.pushes.push(accepted)), [Violation::Lost("gone".to_owned())]);
    }

    #[test]
    fn what_comes_into_the_topic_too_late_is_found_unless_kafka_was_away() {
        let late = |books: &mut Books| books.events[1].at_ms = 150 + 10_001;
        assert_eq!(after(late), [Violation::Late("text 1".to_owned())]);
        let away = |books: &mut Books| {
            late(books);
            books.kafka_well_ms = 151;
        };
        assert_eq!(after(away), []);
        let repeated = |books: &mut Books| {
            let mut again = books.events[1].clone();
            (again.place, again.at_ms) = ((0, 9), 150 + 60_000);
            books.events.push(again);
        };
        assert_eq!(after(repeated), [], "a record that comes again says nothing of the first");
    }

    #[test]
    fn a_missing_outcome_is_found() {
        let found = after(|books| {
            books.outcomes.remove(2);
            books.arrivals.remove(2);
        });
        assert_eq!(found, [Violation::NoOutcome("e2".to_owned())]);
    }

    #[test]
    fn a_second_outcome_is_found() {
        let found = after(|books| {
            let mut other = books.outcomes[2].clone();
            other.bytes = b"something else".to_vec();
            books.outcomes.push(other);
        });
        assert_eq!(found, [Violation::TwoOutcomes("e2".to_owned())]);
    }

    #[test]
    fn an_outcome_of_nothing_is_found() {
        let found = after(|books| _ = books.events.remove(3));
        assert!(found.contains(&Violation::OutcomeOfNothing("e3".to_owned())), "{found:?}");
    }

    #[test]
    fn a_record_set_aside_has_to_stand_in_the_dlq() {
        let set_aside = |books: &mut Books| {
            books.outcomes[0].end = End::SetAside;
            books.outcomes[0].parts.clear();
            books.arrivals.remove(0);
            books.ledger[0].end = Some(End::SetAside);
        };
        assert_eq!(after(set_aside), [Violation::NotInDlq("e0".to_owned())]);
        let kept = after(|books| {
            set_aside(books);
            books.set_aside.push("e0".to_owned());
        });
        assert_eq!(kept, []);
    }

    #[test]
    fn a_duplicate_is_found_and_counted() {
        let again = |books: &mut Books| books.arrivals.push(books.arrivals[1].clone());
        assert_eq!(after(again), [Violation::Duplicate("text 1".to_owned())]);
        let mut books = in_order();
        again(&mut books);
        assert_eq!(duplicates(&books).len(), 1);
        assert_eq!(check(&books, Allowed { duplicates: 1, ..Allowed::default() }), []);
    }

    #[test]
    fn a_reply_that_overtakes_is_found() {
        let found = after(|books| books.arrivals.swap(0, 2));
        assert_eq!(found, [Violation::Reordered("text 0".to_owned())]);
    }

    /// Both texts of one user stand in the topic the other way round, and arrive in that order.
    fn drained_backwards(books: &mut Books) {
        let (first, second) = (books.events[0].place, books.events[2].place);
        (books.events[0].place, books.events[2].place) = (second, first);
        books.arrivals.swap(0, 2);
    }

    #[test]
    fn a_spool_that_drains_backwards_is_found() {
        let found = after(drained_backwards);
        assert_eq!(found, [Violation::Overtook("text 2".to_owned())]);
        let mut books = in_order();
        drained_backwards(&mut books);
        assert_eq!(check(&books, Allowed { reordered: 1, ..Allowed::default() }), []);
    }

    #[test]
    fn pushes_at_the_same_time_or_through_two_gateways_have_no_order_but_that_of_the_topic() {
        let together = after(|books| {
            drained_backwards(books);
            books.pushes[0].ended_ms = books.pushes[2].begun_ms;
        });
        assert_eq!(together, []);
        let apart = after(|books| {
            drained_backwards(books);
            books.gateways = 2;
        });
        assert_eq!(apart, []);
        let refused = after(|books| {
            drained_backwards(books);
            books.pushes[0].accepted = false;
        });
        assert_eq!(refused, [], "nobody has said that it was taken");
    }

    #[test]
    fn users_may_overtake_each_other() {
        assert_eq!(after(|books| books.arrivals.swap(0, 1)), []);
    }

    #[test]
    fn every_breach_of_a_window_or_quota_is_found() {
        for errcode in [45_009, 45_011, 45_015, 45_047] {
            let breach = Answer { user: "ann".to_owned(), errcode };
            assert_eq!(
                after(|books| books.answers.push(breach)),
                [Violation::Quota("ann".to_owned(), errcode)]
            );
        }
    }

    #[test]
    fn an_outcome_that_says_sent_and_a_message_that_nobody_told_are_found() {
        let never = after(|books| _ = books.arrivals.remove(3));
        assert_eq!(never, [Violation::SentAndNotArrived("text 3".to_owned())]);
        let secret = Arrival { user: "ann".to_owned(), text: "secret".to_owned() };
        assert_eq!(after(|books| books.arrivals.push(secret)), [Violation::Unaccounted("secret".to_owned())]);
    }

    #[test]
    fn unknown_may_have_arrived_or_not_and_refused_may_not() {
        let end_of = |books: &mut Books, end| {
            books.outcomes[0].end = end;
            books.outcomes[0].parts[0].1 = end;
            books.ledger[0].end = Some(end);
        };
        assert_eq!(after(|books| end_of(books, End::Unknown)), []);
        let gone = after(|books| {
            end_of(books, End::Unknown);
            books.arrivals.remove(0);
        });
        assert_eq!(gone, []);
        assert_eq!(after(|books| end_of(books, End::Refused)), [Violation::Unaccounted("text 0".to_owned())]);
    }

    #[test]
    fn an_end_that_nobody_wants_is_found_beyond_what_it_may_cost() {
        let mut books = in_order();
        assert_eq!(beyond(&books, Costs::default()), []);
        for (n, end) in [End::Unknown, End::Refused, End::Expired, End::SetAside].into_iter().enumerate() {
            books.outcomes[n].end = end;
        }
        books.outcomes.push(books.outcomes[0].clone());
        let each = [End::Unknown, End::Refused, End::Expired, End::SetAside].map(|end| (end, 1));
        assert_eq!(beyond(&books, Costs::default()), each);
        assert_eq!(beyond(&books, Costs::unknown(1)), each[1..]);
        let all_but_refused = Costs { unknown: 1, refused: 0, expired: 1, set_aside: 1 };
        assert_eq!(beyond(&books, all_but_refused), each[1..2]);
    }

    #[test]
    fn a_ledger_that_was_left_in_the_middle_or_says_otherwise_is_found() {
        for (state, end) in [("sending", None), ("reserved", None), ("settled", Some(End::Refused))] {
            let found = after(|books| {
                books.ledger[1].state = state.to_owned();
                books.ledger[1].end = end;
            });
            assert!(matches!(found[..], [Violation::Ledger(_)]), "{found:?}");
        }
        assert!(matches!(after(|books| books.ledger.clear())[..], [Violation::Ledger(_), ..]));
    }
}

mod measured {
    //! Measurements with one thing wrong.

    use std::{path::Path, time::Duration};

    use super::bounds::{After, Unwell, Vitals, may_leak, p99, rise, slope, unwell};

    const SMALL: Vitals = Vitals { rss: 40, peak: 50, files: 60 };

    fn after(plant: impl FnOnce(&mut After)) -> Vec<Unwell> {
        let mut after = After {
            settled: Duration::from_secs(2),
            within: Duration::from_secs(15),
            tail_ms: Some(100),
            vitals: vec![SMALL, SMALL],
            tasks: vec![60.0],
            raised: vec![("gateway_spool_appended_total", 3.0)],
        };
        plant(&mut after);
        unwell(&after)
    }

    #[test]
    fn what_is_well_is_well() {
        assert_eq!(after(|_| {}), []);
        assert_eq!(after(|after| after.tail_ms = None), []);
    }

    #[test]
    fn tasks_that_do_not_end_are_found() {
        assert_eq!(after(|after| after.tasks.push(200.0)), [Unwell::Tasks(200.0)]);
    }

    #[test]
    fn a_lag_that_does_not_go_is_found() {
        let long = Duration::from_millis(15_001);
        assert_eq!(after(|after| after.settled = long), [Unwell::Lag(long)]);
    }

    #[test]
    fn a_slow_tail_is_found() {
        assert_eq!(after(|after| after.tail_ms = Some(5_000)), [Unwell::Tail(5_000)]);
    }

    #[test]
    fn a_process_that_is_too_large_or_has_too_many_descriptors_is_found() {
        let (fat, open) = (Vitals { rss: 400, ..SMALL }, Vitals { files: 328, ..SMALL });
        assert_eq!(after(|after| after.vitals[1] = fat), [Unwell::Fat(fat)]);
        assert_eq!(after(|after| after.vitals[0] = open), [Unwell::Files(open)]);
        assert_eq!(after(|after| after.vitals.clear()), [Unwell::Nobody]);
    }

    #[test]
    fn a_metric_that_did_not_rise_is_found() {
        let quiet = Unwell::Unseen("content_dlq_total");
        assert_eq!(after(|after| after.raised.push(("content_dlq_total", 0.0))), [quiet]);
    }

    #[test]
    fn what_a_process_has_is_read_and_one_that_is_not_there_has_nothing_to_show() {
        let own = Vitals::read(Path::new("/proc/self")).unwrap();
        assert!(own.rss > 0 && own.peak >= own.rss && own.files > 2, "{own:?}");
        assert!(Vitals::read(Path::new("/proc/0")).is_err());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("status"), "Name:\tgateway\nState:\tZ (zombie)\n").unwrap();
        let ended = Vitals::read(folder.path()).unwrap_err();
        assert!(ended.to_string().contains("VmRSS"), "{ended}");
    }

    /// So much, every twelve seconds for an hour: a line, and what comes and goes.
    fn hour(from: f64, an_hour: f64, noise: f64) -> Vec<(f64, f64)> {
        let at = |n: u32| f64::from(n) / 300.0;
        (0..=300).map(|n| (at(n), from + an_hour * at(n) + noise * f64::from(n % 7) / 6.0)).collect()
    }

    #[test]
    fn what_grows_is_found_and_what_comes_and_goes_is_not() {
        let (flat, noisy) = (hour(40.0, 0.0, 0.0), hour(40.0, 0.0, 30.0));
        assert!((slope(&hour(40.0, 7.0, 0.0)) - 7.0).abs() < 1e-9 && rise(&noisy).abs() < 1.0);
        assert!(!may_leak(&noisy, &flat) && !may_leak(&hour(40.0, 0.8, 6.0), &flat));
        assert!(may_leak(&hour(40.0, 1.1, 6.0), &flat), "memory");
        assert!(may_leak(&flat, &hour(60.0, 15.0, 10.0)), "descriptors");
    }

    #[test]
    fn in_less_than_an_hour_more_is_noise() {
        let half = |an_hour| hour(40.0, an_hour, 0.0).into_iter().take(150).collect::<Vec<_>>();
        assert!(!may_leak(&half(20.0), &half(0.0)) && may_leak(&half(30.0), &half(0.0)));
    }

    #[test]
    fn who_was_hardly_looked_at_may_leak() {
        let flat = hour(40.0, 0.0, 0.0);
        assert!(may_leak(&[], &[]) && may_leak(&flat[..9], &flat) && may_leak(&flat, &flat[..9]));
        assert!(!may_leak(&flat[..10], &flat[..10]));
    }

    #[test]
    fn ninety_nine_in_a_hundred_do_not_exceed_it() {
        assert_eq!((p99(&[7]), p99(&(1..=200).collect::<Vec<_>>())), (7, 198));
    }

    #[test]
    #[should_panic(expected = "something was measured")]
    fn nothing_that_was_measured_has_no_time() {
        p99::<i64>(&[]);
    }
}

mod asked {
    //! What a command names, and which line it may replace.

    use super::{standing::is_longer, words};

    const ROWS: [&str; 3] = ["f17_a_broker_dies", "f17_brokers_die", "f18_all_die"];

    fn strange(typed: &[&str], only_rows: bool) -> usize {
        let typed = words::words(typed.iter().map(|word| (*word).to_owned()));
        words::strange(&typed, &ROWS, only_rows).len()
    }

    #[test]
    fn a_fault_is_named_in_large_letters_too() {
        let [word] = &words::words(["--list", "F17"].map(str::to_owned).into_iter())[..] else { panic!() };
        assert_eq!(ROWS.map(|row| words::names(word, row)), [true, true, false]);
    }

    #[test]
    fn what_names_no_row_is_refused_where_a_row_is_meant() {
        assert_eq!((strange(&["F99"], false), strange(&["f17_all"], false)), (1, 1));
        assert_eq!((strange(&["17"], true), strange(&["broker"], true), strange(&["F18"], true)), (1, 1, 0));
        assert_eq!(strange(&["forwards", "1", "f17_brokers"], false), 0, "tests of other names, and options");
    }

    #[test]
    fn a_shorter_soak_takes_no_longer_ones_line() {
        let line = "| F87 everything breaks | a fault every two to six seconds under load, for 480 min | less than 12 MiB |";
        assert_eq!([10, 479, 480, 481].map(|minutes| is_longer(line, minutes)), [true, true, false, false]);
        assert!(!is_longer("", 1) && !is_longer("| F87 | not held |", 1));
    }
}
