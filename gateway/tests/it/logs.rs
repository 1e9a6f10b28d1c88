//! What a run writes to its log, at its most talkative: no token, no key, no secret, no openid, no word of a message.

use std::{fs::File, process::Stdio};

use rdkafka::mocking::MockCluster;
use wechat::{Mode, envelope::AesKey, push::Credentials};

use crate::{
    house::{KEY, until},
    spool_process::{Process, gateway, signal},
    wire,
};

const NEEDLES: [&str; 7] = [
    "needle-of-a-token",
    "needle-of-a-link-secret",
    KEY,
    "oNeedleOfAReader",
    "needle of a message",
    "needle-of-a-broken-document",
    "needle-of-a-link",
];

fn credentials() -> Credentials {
    Credentials {
        app_id: "wx1".into(),
        token: NEEDLES[0].into(),
        previous_token: None,
        aes_key: AesKey::parse(KEY).ok(),
        previous_aes_key: None,
        mode: Mode::Safe,
    }
}

fn document(n: usize) -> Vec<u8> {
    let [_, _, _, reader, message, ..] = NEEDLES;
    format!(
        "<xml><FromUserName>{reader}</FromUserName><MsgType>text</MsgType><Content>{message}</Content><MsgId>{n}</MsgId></xml>"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_log_holds_nothing_that_a_reader_of_logs_must_not_know() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(proto::EVENTS.name, 3, 1).unwrap();
    cluster.create_topic(proto::ITEMS.name, 1, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let secrets = [
        format!("accounts.0.token={}", NEEDLES[0]),
        format!("links.secret={}", NEEDLES[1]),
        format!("accounts.0.aes_key={KEY}"),
        "accounts.0.mode=safe".to_owned(),
    ];
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let spool = folder.path().join("spool");
    let (mut command, public, admin) = gateway(&cluster.bootstrap_servers(), spool.as_path(), "", &secrets);
    command.env("RUST_LOG", "trace").stderr(Stdio::from(File::create(&log).unwrap()));
    let process = Process { child: command.spawn().unwrap(), public, admin, credentials: credentials() };
    process.ready().await;
    let push = async |request: Vec<u8>| wire::exchange(public, &request).await.status;
    assert_eq!(push(process.request(&document(1))).await, 200);
    assert_eq!(push(process.request(NEEDLES[5].as_bytes())).await, 200, "kept raw");
    let good = String::from_utf8(process.request(&document(1))).unwrap();
    assert_eq!(push(good.replace("msg_signature=", "msg_signature=00").into_bytes()).await, 403);
    assert_eq!(push(good.replace("timestamp=1", "timestamp=0").into_bytes()).await, 403);
    assert_eq!(push(good.replace("<Encrypt>", "<Encrypt>!").into_bytes()).await, 403);
    assert_eq!(push(good.replace("HTTP/1.1", "HTTP/9.9").into_bytes()).await, 400);
    assert_eq!(wire::get(public, &format!("/c/{}", NEEDLES[6])).await.status, 404);
    cluster.broker_down(-1).unwrap();
    assert_eq!(push(process.request(&document(2))).await, 200, "spooled");
    until(async || std::fs::read_to_string(&log).unwrap().contains("they wait in the spool")).await;
    cluster.broker_up(-1).unwrap();
    process.drained().await;
    let mut child = process.child;
    signal(&child, "TERM");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    let told = std::fs::read_to_string(&log).unwrap();
    for line in ["starting", "push refused", "cannot be read, kept raw", "ended in order"] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    for needle in NEEDLES {
        let line = told.lines().find(|line| line.contains(needle));
        assert_eq!(line, None, "{needle}");
    }
}
