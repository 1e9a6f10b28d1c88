//! What a push costs: check, decrypt, read. Prints nanoseconds per push, the median and range of several rounds.

use std::hint::black_box;
use std::time::Instant;

use wechat::document::Document;
use wechat::envelope::AesKey;
use wechat::push::{self, Credentials, Format, Push, Query};
use wechat::{Mode, signature};

const ROUNDS: usize = 15;
const PUSHES: u32 = 20_000;

/// Runs the work many times and prints its cost.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..PUSHES).for_each(|_| work());
            start.elapsed().as_nanos() / u128::from(PUSHES)
        })
        .collect();
    rounds.sort_unstable();
    let [low, median, high] = [0, ROUNDS / 2, ROUNDS - 1].map(|index| rounds[index]);
    eprintln!("{name:40} {median:6} ns  ({low}–{high})");
}

fn account(mode: Mode) -> Credentials {
    Credentials {
        app_id: "wx5823bf96d3bd56c7".into(),
        token: "QDG6eK".into(),
        previous_token: None,
        aes_key: AesKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C").ok(),
        previous_aes_key: None,
        mode,
    }
}

const DOCUMENT: &str = "<xml><ToUserName><![CDATA[gh_3f2a9c81d07e]]></ToUserName>\
    <FromUserName><![CDATA[oTestOpenId0123456789abcdefg]]></FromUserName><CreateTime>1754000000</CreateTime>\
    <MsgType><![CDATA[text]]></MsgType><Content><![CDATA[我想看看今天奎屯的社会新闻，还有台湾的消息，谢谢你们]]></Content>\
    <MsgId>23637352235060880</MsgId></xml>";

fn main() {
    let sealed = |mode| {
        let sealed = push::seal(
            &account(mode),
            DOCUMENT.as_bytes(),
            Format::Xml,
            1_754_000_000,
            "1372623149",
            [7; 16],
        );
        sealed.expect("the account has a key")
    };
    for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
        let (account, sealed) = (account(mode), sealed(mode));
        let name = format!("{mode}: open and read, {} bytes", sealed.body.len());
        measure(&name, || {
            let query = Query::parse(black_box(&sealed.query));
            let opened = push::open(&account, &query, black_box(&sealed.body)).expect("it is ours");
            let document = Document::parse(opened.document()).expect("it is XML");
            black_box(Push::read(&document).kind);
        });
    }
    let (safe, keys) = (sealed(Mode::Safe), account(Mode::Safe));
    let encrypt = push::encrypted_part(&safe.body).ok().flatten().expect("it is sealed");
    measure("safe: query", || drop(black_box(Query::parse(black_box(&safe.query)))));
    measure("safe: find Encrypt", || drop(black_box(push::encrypted_part(black_box(&safe.body)))));
    let parts = [&b"QDG6eK"[..], b"1754000000", b"1372623149", encrypt.as_bytes()];
    measure("safe: signature", || {
        black_box(signature::sign(black_box(&parts)));
    });
    measure("safe: base64 and AES", || drop(black_box(keys.keys().decrypt(black_box(&encrypt)))));
    measure("document: parse", || drop(black_box(Document::parse(black_box(DOCUMENT.as_bytes())))));
}
