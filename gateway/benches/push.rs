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
    {
        let c = credentials();
        let ps = pushes(&c);
        let time = |name: &str, f: &mut dyn FnMut(&SealedPush)| {
            let mut best = f64::MAX;
            for _ in 0..5 { let t = Instant::now(); for p in &ps { f(p); } best = best.min(t.elapsed().as_secs_f64()*1e6/PUSHES as f64); }
            println!("{name}: {best:.3}");
        };
        time("query", &mut |p| { black_box(Query::parse(&p.query)); });
        time("query+open", &mut |p| { let q = Query::parse(&p.query); black_box(open(&c, &q, &p.body).unwrap()); });
        time("outer", &mut |p| { black_box(wechat::push::encrypted_part(&p.body).unwrap()); });
        let docs: Vec<Vec<u8>> = ps.iter().map(|p| { let q = Query::parse(&p.query); open(&c, &q, &p.body).unwrap().document().to_vec() }).collect();
        let mut i = 0; time("doc parse", &mut |_| { black_box(wechat::document::Document::parse(&docs[i % docs.len()]).unwrap()); i += 1; });
        let mut i = 0; time("of_push", &mut |_| { black_box(gateway::event::of_push("qianjiang", &c.app_id, &docs[i % docs.len()], 1_754_000_002_000)); i += 1; });
        let e = gateway::event::of_push("qianjiang", &c.app_id, &docs[0], 1_754_000_002_000);
        time("trace", &mut |_| { black_box(TraceParent::new_root().to_string()); });
        time("attributes", &mut |_| { let a = CloudEvent::of_event(&e, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"); black_box(a.headers()); });
        time("encode", &mut |_| { black_box(e.encode_to_vec()); });
        time("event_id", &mut |_| { black_box(proto::event_id([&b"wx0123456789abcdef"[..], b"MsgType", b"text", b"MsgId", b"23637352235060880", b"CreateTime", b"1754000000", b"FromUserName", b"oTest0000000000000000000000"])); });
        let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
        use tower::Service as _;
        let state = std::sync::Arc::new(5u64);
        let router: axum::Router = axum::Router::new()
            .route("/wechat/{account}", axum::routing::post(async |axum::extract::State(s): axum::extract::State<std::sync::Arc<u64>>, axum::extract::Path(a): axum::extract::Path<String>, r: axum::extract::Request| { black_box((s, a, r)); "success" }).get(async || "x"))
            .route("/c/{token}", axum::routing::get(async || "y")).with_state(state.clone());
        let mut r2 = router.clone();
        time("axum route", &mut |p| { rt.block_on(async { let r = http::Request::post(format!("/wechat/qianjiang?{}", p.query)).body(axum::body::Body::empty()).unwrap(); black_box(r2.call(r).await.unwrap()); }) });
        time("hand route", &mut |p| { rt.block_on(async { let s = state.clone(); let r = http::Request::post(format!("/wechat/qianjiang?{}", p.query)).body(http_body_util::Full::<bytes::Bytes>::default()).unwrap();
            let u = r.uri().clone(); if let Some(a) = u.path().strip_prefix("/wechat/") { if *r.method() == http::Method::POST { black_box((s, a, r)); } }
            let mut x = http::Response::new(http_body_util::Full::new(bytes::Bytes::from_static(b"success"))); x.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain")); black_box(x); }) });
    }
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
