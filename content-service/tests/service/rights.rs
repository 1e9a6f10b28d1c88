//! The send right in Redis is the one that the platform grants.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use wechat::{
    account::{AccountKind, RuleSet},
    rights::{Action, Window, grant},
};

use crate::ledger::{Bench, proposal};
use content_service::ledger::{End, Entry, Granted, PartEnd, Place, State};
use proto::reply::Outcome;

const ACTIONS: [Action; 4] = [Action::Message, Action::MenuClick, Action::Subscribe, Action::Other];

/// An event: milliseconds since the one before, milliseconds that it took to get here, its action, parts to send.
type Step = (i64, i64, usize, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0i64..90_000, 0i64..70_000, 0..ACTIONS.len(), 1usize..4), 1..12)
}

#[test]
fn the_script_grants_what_the_platform_grants_and_never_more() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::start());
    runtime.block_on(bench.without_sync());
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let users = AtomicUsize::new(0);
    runner
        .run(&steps(), |steps| {
            let user = users.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(same_as_the_platform(&bench, user, &steps))
        })
        .unwrap();
}

/// All parts leave, earlier than any action to come.
async fn sent_before_the_next_action(bench: &Bench, place: &Place, mut entry: Entry) {
    let (ledger, mine) = (&bench.ledger, &bench.mine);
    ledger.arm(place, mine, &mut entry).await.unwrap();
    let part = PartEnd { outcome: Outcome::Sent, errcode: None, at_ms: 1, attempts: 1, unknown: 0 };
    while entry.left() > 1 {
        ledger.next_part(place, mine, &mut entry, part).await.unwrap();
    }
    let end = End { outcome: Outcome::Sent, reason: String::new(), until_ms: 0, at_ms: 1 };
    ledger.settle(place, mine, &mut entry, part, end, false).await.unwrap();
}

async fn same_as_the_platform(bench: &Bench, user: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut window, mut now_ms) = (Window::default(), 1_800_000_000_000);
    for (number, (pause, way, action, parts)) in steps.iter().enumerate() {
        now_ms += pause;
        bench.clock.set_ms(now_ms);
        let occurred_ms = now_ms - way;
        let grant = grant(AccountKind::Official, RuleSet::Today, ACTIONS[*action]);
        if let Some(grant) = &grant {
            // The clock runs on between here and the script: leave the last moments of a window out.
            prop_assume!((occurred_ms + i64::from(grant.window_seconds) * 1000 - now_ms).abs() > 2_000);
            window = window.raise(now_ms, occurred_ms, grant);
        }
        prop_assume!((window.until_ms - now_ms).abs() > 2_000);
        let open = window.until_ms > now_ms;
        let enough = open && window.left as usize >= *parts;
        if enough {
            (0..*parts).for_each(|_| assert!(window.take(now_ms)));
        }
        let granted = grant.map(|grant| Granted {
            name: grant.name,
            messages: grant.messages,
            since_ms: occurred_ms,
            until_ms: occurred_ms + i64::from(grant.window_seconds) * 1000,
        });
        let event = format!("u{user}-{number}");
        let place = bench.ledger.place(&format!("u{user}"), &event, "me".to_owned());
        let mut proposal = proposal(&event, *parts);
        proposal.granted = granted;
        let entry = bench.ledger.reserve(&place, &bench.mine, proposal, false).await.unwrap();
        prop_assert_eq!(entry.state == State::Reserved, enough, "step {}: {:?}", number, entry);
        let budget = entry.reply.decision.clone().unwrap().budget.unwrap();
        if enough {
            sent_before_the_next_action(bench, &place, entry).await;
        }
        if open {
            prop_assert_eq!((budget.after, budget.until_ms), (window.left, window.until_ms));
        }
    }
    Ok(())
}
