//! CPU of the pure part of a push, verify → decrypt → parse → event → record, in one thread: `cargo bench -p gateway`.

use std::{hint::black_box, time::Instant};

use prost::Message as _;
use proto::CloudEvent;
use runtime::trace::TraceParent;
use wechat::{
    Mode,
    envelope::AesKey,
    push::{Credentials, Format, Query, SealedPush, open, seal},
};

const ROUNDS: usize = 7;
const PUSHES: usize = 20_000;

fn credentials() -> Credentials {
    Credentials {
        app_id: "wx0123456789abcdef".to_owned(),
        token: "a-token".into(),
        previous_token: None,
        aes_key: AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").ok(),
        previous_aes_key: None,
        mode: Mode::Safe,
    }
}

fn pushes(credentials: &Credentials) -> Vec<SealedPush> {
    let one = |n: usize| {
        let document = format!(
            "<xml><ToUserName><![CDATA[gh_3f2a9c81d07e]]></ToUserName><FromUserName><![CDATA[oTest{n:023}]]>\
             </FromUserName><CreateTime>1754000000</CreateTime><MsgType><![CDATA[text]]></MsgType>\
             <Content><![CDATA[where is my order?]]></Content><MsgId>{}</MsgId></xml>",
            23_637_352_235_060_880 + n
        );
        seal(credentials, document.as_bytes(), Format::Xml, 1_754_000_001, "1320562132", [7; 16])
            .expect("there is a key")
    };
    (0..PUSHES).map(one).collect()
}

fn record(credentials: &Credentials, push: &SealedPush) -> usize {
    let query = Query::parse(&push.query);
    let opened = open(credentials, &query, &push.body).expect("it was sealed with these");
    let event =
        gateway::event::of_push("qianjiang", &credentials.app_id, opened.document(), 1_754_000_002_000);
    let trace = TraceParent::new_root().to_string();
    let attributes = CloudEvent::of_event(&event, &trace);
    black_box(attributes.headers());
    event.encode_to_vec().len()
}

#[expect(clippy::print_stdout, reason = "the answer of a bench")]
fn main() {
    let credentials = credentials();
    let pushes = pushes(&credentials);
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            let bytes: usize = pushes.iter().map(|push| record(&credentials, push)).sum();
            black_box(bytes);
            started.elapsed().as_secs_f64() * 1e6 / PUSHES as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!(
        "verify, decrypt, parse, event, record: {:.2} µs a push (median of {ROUNDS}, {:.2} to {:.2})",
        rounds[ROUNDS / 2],
        rounds[0],
        rounds[ROUNDS - 1]
    );
}
