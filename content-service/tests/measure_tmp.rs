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
    let playbook = Playbook::parse("p", &text, wechat::AccountKind::MiniProgram).unwrap();
    let now = 1_768_176_000_000i64;
    let names = [
        "taiwan", "xinjiang", "leaders", "football", "food", "health", "chess", "opera", "property",
        "schools",
    ];
    for n in [100usize, 100_000] {
        let catalogue = Catalogue::new();
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
        let snapshot = catalogue.snapshot();
        let mut tastes: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, n)| Taste { topic: (*n).into(), kind: 1, value: i as f64, at_ms: now })
            .collect();
        tastes.sort_by(|a, b| a.topic.cmp(&b.topic));
        let seen = |count: usize| {
            (0..count)
                .map(|i| Seen {
                    item_id: format!("item-{}", i * 31 % n),
                    shows: 1,
                    last_at_ms: now - i as i64 * 3_600_000,
                    opened_at_ms: 0,
                })
                .collect::<Vec<_>>()
        };
        let t = |n: &str, v: &str| Trait { name: n.into(), value: v.into(), source: 1, at_ms: 1 };
        let profile = |s: usize| Profile {
            tastes: tastes.clone(),
            seen: seen(s),
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
        let rich = Enrichment { profile: Some(profile(500)), visit_started: true, ..Enrichment::default() };
        let middle = Enrichment { profile: Some(profile(30)), visit_started: true, ..Enrichment::default() };
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
        let mut out = format!("{n:>8} items");
        for (name, who) in [("rich", &rich), ("middle", &middle), ("newcomer", &poor)] {
            let mut times = Vec::new();
            for _ in 0..2000 {
                let t = Instant::now();
                let d = decide(&Inputs {
                    event: &event,
                    enrichment: Some(who),
                    gathered: &[],
                    playbook: &playbook,
                    catalogue: &snapshot,
                    at_ms: now,
                    links: &links,
                });
                times.push(t.elapsed());
                assert!(!d.decision.slots[1].item_ids.is_empty());
            }
            times.sort();
            out += &format!("; {name} min {:?} p50 {:?} p99 {:?}", times[0], times[1000], times[1980]);
        }
        println!("{out}");
    }
}
