//! Fuzz target: whatever stands in the ledger is an entry or is damaged; reading it neither panics nor makes an entry that may be sent
//! out of one that has ended.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

use std::time::Duration;

use content_service::ledger::{Entry, State};
use prost::Message as _;
use proto::reply::{Decision, Part, Reply};

const STATES: [&str; 5] = ["reserved", "sending", "settled", "closed", "waiting"];

/// Fields as `name=value` lines.
fn fields(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let pair = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
        [line[..at].to_vec(), line.get(at + 1..).unwrap_or_default().to_vec()]
    };
    lines.flat_map(pair).collect()
}

fn read(fields: &[Vec<u8>]) {
    for revision in [0, 1] {
        let Ok(entry) = Entry::found(fields, revision) else { continue };
        assert!(entry.left() <= entry.reply.parts.len());
        assert!(!matches!(entry.state, State::Armed(_)), "whoever finds it does not hold it");
        assert!(!entry.found_settled || entry.state == State::Settled);
        assert!(entry.end.is_none() || matches!(entry.state, State::Settled | State::Closed));
        assert_eq!(Entry::found(fields, revision).as_ref(), Ok(&entry));
    }
}

#[test]
fn fuzz_ledger() {
    let part = Part { message: "{}".to_owned(), ..Part::default() };
    let reply = Reply {
        event_id: "e".to_owned(),
        parts: vec![part.clone(), part],
        decision: Some(Decision::default()),
        ..Reply::default()
    };
    let body = reply.encode_to_vec();
    let whole = |state: &str| -> Vec<Vec<u8>> {
        let fields =
            [("s", state), ("p", "0"), ("a", "1"), ("l", "1768176000000"), ("g", "message|5|3|9"), ("e", "")];
        let texts =
            fields.iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value.as_bytes().to_vec()]);
        texts.chain([b"b".to_vec(), body.clone()]).collect()
    };
    for state in STATES {
        assert!(Entry::found(&whole(state), 0).is_ok(), "{state}");
    }
    bolero::check!().with_test_time(Duration::from_millis(300)).for_each(|bytes: &[u8]| {
        let told = fields(bytes);
        read(&told);
        // The same over an entry that is whole but for what the input says.
        for state in STATES {
            read(&[whole(state), told.clone()].concat());
        }
    });
}
