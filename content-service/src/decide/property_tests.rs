//! What holds for every reader and every catalogue.

use proptest::prelude::*;
use prost::Message as _;
use proto::{
    content::{Item, TopicKind},
    profile::{Enrichment, Stance},
};
use wechat::account::AccountKind;

use super::{Inputs, Verdict, decide, testing::*};
use crate::playbook::Playbook;

const PLAYBOOK: &str = r"
account: test
topics: {t0: 零, t1: 一, t2: 二, t3: 三}
replies:
  - name: paper
    on: [visit]
    slots:
      - {name: one, topics: [t0, t1], count: 3, hide_seen: 1d}
      - {name: two, count: 5, per_topic: 3, exclude: [t3]}
    messages:
      - text: |
          你好{{ trait('name') }}
          {% for item in slots.one %}
          {{ item|link }}
          {% endfor %}
          {% for item in slots.two %}
          {{ item|link }}{{ item.summary }}
          {% endfor %}
";

fn items() -> impl Strategy<Value = Vec<Item>> {
    let one = (0usize..4, 0usize..4, -3i64..200, prop::option::of(-500_000i64..900_000), "\\PC{0,40}");
    prop::collection::vec(one, 0..40).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(n, (a, b, age, pin, words))| Item {
            pin_micros: pin.unwrap_or_default(),
            title: format!("题{words}"),
            summary: words,
            ..item(&format!("i{n}"), &[&format!("t{a}"), &format!("t{b}")], age * HOUR)
        })
        .collect()
    })
}

fn readers() -> impl Strategy<Value = Enrichment> {
    let tastes = prop::collection::vec((0usize..4, -2.0f64..20.0), 0..4);
    let stances = prop::collection::vec((0usize..4, any::<bool>()), 0..3);
    let seen = prop::collection::vec((0usize..40, 0i64..100), 0..20);
    (tastes, stances, seen, "\\PC{0,20}").prop_map(|(tastes, stances, seen, name)| {
        let reader = visitor().trait_of("name", &name);
        let reader = tastes.iter().fold(reader, |reader, (topic, value)| {
            reader.taste(&format!("t{topic}"), TopicKind::News, *value)
        });
        let stance = |prefer: bool| if prefer { Stance::Prefer } else { Stance::Drop };
        let reader = stances
            .iter()
            .fold(reader, |reader, (topic, prefer)| reader.stance(&format!("t{topic}"), stance(*prefer)));
        seen.iter().fold(reader, |reader, (item, hours)| reader.saw(&format!("i{item}"), hours * HOUR))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_decision_keeps_its_promises(items in items(), reader in readers(), official in any::<bool>()) {
        let kind = if official { AccountKind::Official } else { AccountKind::MiniProgram };
        let playbook = Playbook::parse("t", PLAYBOOK, kind).unwrap();
        let (event, forwards) = (entered(), catalogue(items.clone()).snapshot());
        let picked = playbook.pick(&event, Some(&reader), NOW);
        let inputs = Inputs { picked: &picked, gathered: &[], catalogue: &forwards, links: &links() };
        let decided = decide(&inputs);

        // The same inputs give the same bytes, whichever way the catalogue was built.
        let backwards = catalogue(items.iter().rev().cloned()).snapshot();
        let again = decide(&Inputs { catalogue: &backwards, ..inputs });
        prop_assert_eq!(decided.decision.encode_to_vec(), again.decision.encode_to_vec());
        prop_assert_eq!(&decided.verdict, &again.verdict);

        let Verdict::Reply { messages } = &decided.verdict else { panic!("{decided:?}") };
        for message in messages {
            prop_assert!(message.check(kind).is_ok());
        }
        let of = |id: &String| items.iter().find(|item| item.id == *id).unwrap();
        let dropped = |topic: &str| reader.profile.iter().flat_map(|p| &p.preferences)
            .rev().find(|said| said.topic == topic).is_some_and(|said| said.stance() == Stance::Drop);
        let item_ids = item_ids(&decided);
        let mut unique = item_ids.clone();
        unique.sort();
        unique.dedup();
        prop_assert_eq!(unique.len(), item_ids.len(), "no item twice");
        for id in &item_ids {
            prop_assert!(of(id).topics.iter().all(|topic| !dropped(&topic.name)), "a drop beats everything");
            prop_assert!(of(id).published_at_ms <= NOW);
        }
        for slot in &decided.decision.slots {
            let order: Vec<_> = slot.candidates.iter().map(|one| (std::cmp::Reverse(one.score), &one.item_id)).collect();
            prop_assert!(order.is_sorted(), "best first, ties by id");
            prop_assert!(slot.candidates.len() <= 20 && slot.exclusions.len() <= 50);
            let count = if slot.name == "one" { 3 } else { 5 };
            prop_assert!(slot.item_ids.len() <= count);
        }
    }
}
