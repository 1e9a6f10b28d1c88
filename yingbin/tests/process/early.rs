//! The door opens before the house is ready.

use std::time::Duration;

use runtime::clock::Clock;
use wechat::{
    Mode, Secret,
    envelope::AesKey,
    push::{Credentials, Format, SealedPush, seal},
};

use crate::{
    processes::free_port,
    up::{Up, until},
};

/// So long may the first push take in a build without optimisation on a busy machine.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_takes_pushes_before_the_rest_is_there() {
    let (gateway, simulator) = (free_port(), free_port());
    let up = Up::start(&["--gateway-port", &gateway.to_string(), "--simulator-port", &simulator.to_string()]);
    let pushed = async {
        let push = sealed();
        let url = format!("http://127.0.0.1:{gateway}/wechat/qianjiang?{}", push.query);
        until("a push to be taken", async || {
            let Ok(answer) = up.http.post(&url).body(push.body.clone()).send().await else { return false };
            answer.status() == 200 && answer.text().await.unwrap() == "success"
        })
        .await;
        up.started.elapsed()
    };
    let served = async {
        let url = format!("http://127.0.0.1:{simulator}/livez");
        until("the phone", async || up.http.get(&url).send().await.is_ok()).await;
        up.started.elapsed()
    };
    let (pushed, served) = tokio::join!(pushed, served);
    eprintln!(
        "the first push was taken {pushed:?} after the start of the process, the phone was there after {served:?}"
    );
    assert!(pushed < served, "a push waited for the rest: {pushed:?}, {served:?}");
    assert!(pushed < SOON, "{pushed:?}");
}

/// Somebody writes to the newspaper.
fn sealed() -> SealedPush {
    let credentials = Credentials {
        app_id: "wx7c11c05dff7b9c8f".into(),
        token: Secret::new("qianjiang-example-token"),
        previous_token: None,
        aes_key: Some(AesKey::parse("AgsXOhyl9F6sn23DSp8kVzjliKE1QufhQNB9reosfhA").unwrap()),
        previous_aes_key: None,
        mode: Mode::Safe,
    };
    let now = Clock::system().now_ms() / 1_000;
    let document = format!(
        "<xml><ToUserName>gh_9a4cbd787f6c</ToUserName><FromUserName>oEarlyBird0123456789abcdefgh</FromUserName>\
         <CreateTime>{now}</CreateTime><MsgType>text</MsgType><Content>早</Content><MsgId>1</MsgId></xml>"
    );
    seal(&credentials, document.as_bytes(), Format::Xml, now, "415670741", [b'r'; 16]).unwrap()
}
