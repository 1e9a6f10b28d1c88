//! The good path, end to end, and what a repeat does.

use proto::{
    content::Item,
    event::{Entered, LocationReported, MenuViewed, Unrecognised, Unsubscribed, event::Kind},
    reply::{Outcome, ShownRecord},
};
use rdkafka::Message as _;

use crate::world::{World, header};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_one_message_and_one_outcome() {
    let mut world = World::new(4).await;
    let item = Item {
        id: "lead-1".into(),
        account: "shop".into(),
        title: "头条".into(),
        url: "https://example.com/1".into(),
        published_at_ms: world.clock.now_ms(),
        ..Item::default()
    };
    world.publish_item(&item).await;
    world.run().await;
    world.push(&world.text("o1", "e1", "paper")).await;

    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Sent, ""));
    assert_eq!(world.api.contents("o1"), ["头条"]);
    assert_eq!(reply.shown(), ShownRecord::Recorded);
    assert_eq!((reply.parts[0].outcome(), reply.parts[0].attempts), (Outcome::Sent, 1));
    let decision = reply.decision.as_ref().unwrap();
    assert_eq!((decision.reply.as_str(), decision.catalogue_version, decision.neutral), ("paper", 1, false));
    let budget = decision.budget.as_ref().unwrap();
    assert_eq!((budget.right.as_str(), budget.before, budget.after), ("message", 5, 4));

    let record = &world.replies.records()[0];
    assert_eq!(record.key(), Some(format!("{}:o1", crate::world::APP).as_bytes()));
    assert_eq!(header(record, "ce_id").as_deref(), Some("e1"));
    assert_eq!(header(record, "ce_type").as_deref(), Some("yingbin.reply.sent.v1"));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert!(header(record, "traceparent").unwrap().contains(trace), "the trace goes on in the reply");
    let parents = world.profiles.lock().traceparents.clone();
    assert!(parents.len() == 2 && parents.iter().all(|parent| parent.contains(trace)), "and in the calls");
    let shown = world.profiles.lock().shown[0].clone();
    assert_eq!((shown.id.as_str(), &shown.item_ids[..]), ("e1:shown", &["lead-1".to_owned()][..]));
    world.committed(1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_id_gives_one_message_and_no_other_outcome() {
    let mut world = World::start(2).await;
    for _ in 0..3 {
        world.push(&world.text("o1", "e1", "hello")).await;
    }
    world.committed(3).await;
    assert_eq!(world.api.contents("o1"), ["hello"]);
    let records = world.replies.records();
    assert!(
        records.iter().all(|record| record.payload() == records[0].payload()),
        "the same bytes, if at all"
    );
    world.stop().await;

    let mut rewound = world.config.clone();
    rewound.kafka.consumer_properties.push(("group.id".into(), "from-the-beginning".into()));
    world.config = rewound;
    let before = world.replies.records().len();
    world.run().await;
    world.push(&world.text("o2", "e2", "later")).await;
    world.outcome("e2").await;
    world.stop().await;
    assert_eq!(world.api.contents("o1"), ["hello"], "a rewound group sends nothing twice");
    assert_eq!(world.replies.records().len(), before + 1, "what is closed is not published again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_reply_leave_in_order() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "e1", "two")).await;
    let reply = world.outcome("e1").await;
    assert_eq!(world.api.contents("o1"), ["first", "second"]);
    assert_eq!(reply.parts.iter().map(|part| part.outcome()).collect::<Vec<_>>(), [Outcome::Sent; 2]);
    assert_eq!(reply.decision.unwrap().budget.unwrap().after, 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_right_ends_so_and_is_learned_from_all_the_same() {
    let mut world = World::start(2).await;
    let kinds = [
        ("location", Kind::LocationReported(LocationReported::default())),
        ("view", Kind::MenuViewed(MenuViewed::default())),
        ("entered", Kind::Entered(Entered::default())),
        ("odd", Kind::Unrecognised(Unrecognised { msg_type: "event".into(), ..Unrecognised::default() })),
    ];
    for (id, kind) in kinds.clone() {
        world.push(&world.event("o1", id, kind)).await;
    }
    for (id, _) in kinds {
        let reply = world.outcome(id).await;
        assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Suppressed, "no right"), "{id}");
        assert!(world.profiles.lock().enriched.contains(&id.to_owned()));
    }
    world.push(&world.event("o1", "gone", Kind::Unsubscribed(Unsubscribed {}))).await;
    assert_eq!(world.outcome("gone").await.reason, "unsubscribed");
    let mut foreign = world.text("o1", "foreign", "hello");
    foreign.app_id = "wx9999999999999999".into();
    world.push(&foreign).await;
    assert_eq!(world.outcome("foreign").await.reason, "account not configured");
    let mut old = world.text("o1", "old", "hello");
    old.occurred_at_ms -= 11 * 60_000;
    world.push(&old).await;
    assert_eq!(world.outcome("old").await.outcome(), Outcome::Expired);
    assert_eq!(world.api.lock().calls, 0);
    world.stop().await;
}
