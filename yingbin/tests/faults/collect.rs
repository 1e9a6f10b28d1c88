//! Brings the books together: what the platform pushed and received, every partition of every topic, the ledger.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use prost::Message as _;
use proto::{
    event::event::Kind,
    reply::{Outcome as Ended, Reply},
};
use runtime::redis::{Redis, RedisConfig};
use serde_json::Value;

use crate::{
    checker::{Answer, Arrival, Books, End, Entry, Event, Outcome, Push},
    load::Pushed,
    stand::Stand,
    support::kafka,
};

/// Everything that is written down now.
pub(crate) async fn books(stand: &Stand) -> Books {
    let (events, replies, dlq) = tokio::join!(
        kafka::read(&stand.kafka, stand.events),
        kafka::read(&stand.kafka, proto::REPLIES),
        kafka::read(&stand.kafka, proto::DLQ)
    );
    let topic = stand.kafka.topic(stand.events.name);
    let events: Vec<Event> = events.iter().map(|record| event(&topic, record)).collect();
    Books {
        pushes: stand.pushed.iter().map(push).collect(),
        gateways: stand.gateways.len(),
        kafka_well_ms: stand.kafka_touched.load(Ordering::Relaxed),
        outcomes: replies.iter().map(outcome).collect(),
        set_aside: dlq.iter().filter_map(|record| origin(&topic, &events, record)).collect(),
        events,
        arrivals: arrivals(stand),
        answers: answers(stand).await,
        ledger: ledger(stand).await,
    }
}

fn push(push: &Pushed) -> Push {
    let Pushed { text, begun_ms, ended_ms, .. } = push;
    Push { text: text.clone(), accepted: push.accepted(), begun_ms: *begun_ms, ended_ms: *ended_ms }
}

/// What begins the name of a record that nobody can read; where it stood follows.
const ASIDE: &str = "aside:";

fn event(topic: &str, record: &kafka::Record) -> Event {
    let (place, at_ms) = ((record.partition, record.offset), record.at_ms);
    match proto::event::Event::decode(&record.value[..]) {
        Ok(event) if !event.id.is_empty() && !record.header("ce_id").is_empty() => {
            let user = proto::record_key(&event.app_id, &event.openid);
            let text = match event.kind {
                Some(Kind::TextReceived(text)) => text.content,
                _ => String::new(),
            };
            Event { id: event.id, user, text, place, at_ms }
        }
        _ => {
            let id = format!("{ASIDE}{topic}/{}/{}", record.partition, record.offset);
            Event { id, user: String::new(), text: String::new(), place, at_ms }
        }
    }
}

/// The event that a record of the DLQ topic is a copy of.
fn origin(topic: &str, events: &[Event], copy: &kafka::Record) -> Option<String> {
    if copy.header("dlq_topic") != topic {
        return None;
    }
    let number = |name| copy.header(name).parse::<i64>().ok();
    let place = (i32::try_from(number("dlq_partition")?).ok()?, number("dlq_offset")?);
    Some(events.iter().find(|event| event.place == place)?.id.clone())
}

fn outcome(record: &kafka::Record) -> Outcome {
    let reply = Reply::decode(&record.value[..]).unwrap();
    let text = |message: &str| text_of(&serde_json::from_str(message).unwrap_or_default());
    let aside = Some(record.header("ce_id")).filter(|name| name.starts_with(ASIDE));
    Outcome {
        user: proto::record_key(&reply.app_id, &reply.openid),
        end: end_of(reply.outcome()),
        parts: reply.parts.iter().map(|part| (text(&part.message), end_of(part.outcome()))).collect(),
        event_id: aside.map_or(reply.event_id, str::to_owned),
        reason: reply.reason,
        bytes: record.value.clone(),
    }
}

fn text_of(message: &Value) -> String {
    message["text"]["content"].as_str().unwrap_or_default().to_owned()
}

fn arrivals(stand: &Stand) -> Vec<Arrival> {
    let apps = apps(stand);
    let arrived = stand.pusher.simulator.arrivals(0, None).into_iter();
    let user = |account: &str, openid: &str| proto::record_key(&apps[account], openid);
    arrived
        .map(|arrival| Arrival {
            user: user(&arrival.account, &arrival.openid),
            text: text_of(&arrival.message),
        })
        .collect()
}

fn apps(stand: &Stand) -> HashMap<String, String> {
    stand.pusher.accounts.iter().map(|account| (account.name.clone(), account.app_id.clone())).collect()
}

/// What the platform decided by itself: scripted answers are no breach of anything.
async fn answers(stand: &Stand) -> Vec<Answer> {
    let sends = stand.ask("/sim/sends").await;
    let own = sends["sends"].as_array().unwrap().iter().filter(|send| send["fault"].is_null());
    own.map(|send| Answer {
        user: send["openid"].as_str().unwrap_or_default().to_owned(),
        errcode: i32::try_from(send["errcode"].as_i64().unwrap_or(0)).unwrap(),
    })
    .collect()
}

/// A client of the server itself, with the patience of a test.
pub(crate) fn redis(stand: &Stand) -> Redis {
    let config = RedisConfig::new(stand.redis.url(), Duration::from_secs(10));
    Redis::new(&config, &stand.kafka.namespace).unwrap()
}

async fn ledger(stand: &Stand) -> Vec<Entry> {
    let redis = redis(stand);
    let mut keys = redis::cmd("KEYS");
    keys.arg(format!("{}*", redis.key("l:")));
    let names: Vec<String> = redis.query(&keys).await.unwrap();
    if names.is_empty() {
        return Vec::new();
    }
    let mut all = redis::pipe();
    for name in &names {
        all.cmd("HMGET").arg(name).arg("s").arg("e");
    }
    let fields: Vec<(Option<String>, Option<String>)> = redis.pipeline(&all).await.unwrap();
    let entry = |(name, (state, end)): (&String, (Option<String>, Option<String>))| Entry {
        event_id: name.rsplit_once("}:").map_or_else(String::new, |(_, id)| id.to_owned()),
        state: state.unwrap_or_default(),
        end: end.and_then(|end| end.split('|').next()?.parse().ok()).and_then(number),
    };
    names.iter().zip(fields).map(entry).collect()
}

fn number(outcome: i32) -> Option<End> {
    Some(end_of(Ended::try_from(outcome).ok()?))
}

fn end_of(outcome: Ended) -> End {
    match outcome {
        Ended::Sent => End::Sent,
        Ended::Refused => End::Refused,
        Ended::Unknown => End::Unknown,
        Ended::Expired => End::Expired,
        Ended::SetAside => End::SetAside,
        Ended::Suppressed | Ended::Unspecified => End::Suppressed,
    }
}
