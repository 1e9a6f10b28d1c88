//! Temporary.
use content_service::{
    catalogue::Catalogue,
    decide::{Inputs, Links, decide},
    playbook::Playbook,
};
use proto::{
    LinkKey,
    content::{Item, Topic},
    event::{Entered, Event, event::Kind},
    profile::*,
};
use std::time::Instant;
#[test]
fn measure() {
    let text = std::fs::read_to_string("../examples/qianjiang/playbook.yaml").unwrap();
    let t = Instant::now();
    let playbook = Playbook::parse("p", &text, wechat::AccountKind::MiniProgram).unwrap();
    println!("parse {:?}", t.elapsed());
    let now = 1_768_176_000_000i64;
    let names = [
        "taiwan", "xinjiang", "leaders", "football", "food", "health", "chess", "opera", "property",
        "schools",
    ];
    for n in [100usize, 1_000, 10_000, 100_000, 1_000_000] {
        let catalogue = Catalogue::new();
        let t = Instant::now();
        for i in 0..n {
            let id = format!("item-{i}");
            let item = Item {
                id: id.clone(),
                account: "qianjiang".into(),
                title: format!("标题{i}，一条不长不短的新闻"),
                section: ["news", "society", "food"][i % 3].into(),
                url: "https://example.com".into(),
                topics: vec![Topic { name: names[i * 7919 % 10].into(), kind: 1 }],
                places: vec![["杭州", "奎屯", "台北"][i % 3].into()],
                published_at_ms: now - (i as i64 * 7_919_000) % 5_184_000_000,
                pin_micros: if i % 50 == 0 { 300_000 } else { 0 },
                ..Item::default()
            };
            catalogue.apply(&id, Some(item), i as i64);
        }
        let load = t.elapsed();
        let t = Instant::now();
        let snapshot = catalogue.snapshot();
        let first = t.elapsed();
        let mut one = Vec::new();
        for i in 0..200usize {
            let id = format!("item-{}", i * 499 % n);
            let t = Instant::now();
            catalogue.apply(
                &id,
                Some(Item {
                    id: id.clone(),
                    account: "qianjiang".into(),
                    section: "news".into(),
                    topics: vec![Topic { name: "taiwan".into(), kind: 1 }],
                    published_at_ms: now - i as i64,
                    ..Item::default()
                }),
                i as i64,
            );
            let _s = catalogue.snapshot();
            one.push(t.elapsed());
        }
        one.sort();
        let mut tastes: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, n)| Taste { topic: (*n).into(), kind: 1, value: i as f64, at_ms: now })
            .collect();
        tastes.sort_by(|a, b| a.topic.cmp(&b.topic));
        let seen = (0..500usize)
            .map(|i| Seen {
                item_id: format!("item-{}", i * 31 % n),
                shows: 1,
                last_at_ms: now - i as i64 * 3_600_000,
                opened_at_ms: 0,
            })
            .collect();
        let t = |n: &str, v: &str| Trait { name: n.into(), value: v.into(), source: 1, at_ms: 1 };
        let profile = Profile {
            tastes,
            seen,
            traits: vec![t("youth.city", "奎屯"), t("name", "李大爷")],
            visit: Some(Visit {
                number: 5,
                started_at_ms: now,
                last_at_ms: now,
                previous_at_ms: 5,
                ..Visit::default()
            }),
            ..Profile::default()
        };
        let rich = Enrichment { profile: Some(profile), visit_started: true, ..Enrichment::default() };
        let poor =
            Enrichment { profile: Some(Profile::default()), visit_started: true, ..Enrichment::default() };
        let event = Event {
            id: "0123456789abcdef0123456789abcdef".into(),
            app_id: "wx7c11c05dff7b9c8f".into(),
            openid: "oReader".into(),
            kind: Some(Kind::Entered(Entered::default())),
            ..Event::default()
        };
        let links =
            Links { key: LinkKey::derive("x"), base_url: "http://127.0.0.1:8080/c/".into(), lifetime_s: 60 };
        let mut out = format!(
            "{n:>8} items: load {load:?}, snapshot {first:?}, apply+snapshot p50 {:?} max {:?}",
            one[100], one[199]
        );
        for (name, who) in [("rich", &rich), ("newcomer", &poor)] {
            let mut times = Vec::new();
            for _ in 0..500 {
                let t = Instant::now();
                let _needed = playbook.sources_needed(&event, Some(who), now);
                let a = t.elapsed();
                let d = decide(&Inputs {
                    event: &event,
                    enrichment: Some(who),
                    gathered: &[],
                    playbook: &playbook,
                    catalogue: &snapshot,
                    at_ms: now,
                    links: &links,
                });
                times.push((t.elapsed(), a));
                assert!(!d.decision.slots[1].item_ids.is_empty());
            }
            times.sort();
            out += &format!(
                "; {name} p50 {:?} (of it sources_needed {:?}) p99 {:?}",
                times[250].0, times[250].1, times[495].0
            );
        }
        println!("{out}");
    }
}
