//! `yingbin up` on its embedded default, from the start of the process: when the door takes its first push, and when the two months
//! that the examples' people have lived are over.

use std::{net::TcpListener, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use runtime::clock::Clock;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    runtime::Runtime,
    time::{Instant, sleep, timeout},
};
use wechat::{
    envelope::AesKey,
    push::{Credentials, SealedPush, seal},
};
use yingbin::example::{Account, Example};

use crate::{
    plan::Plan,
    report::{Report, progress},
    stats::Rounds,
};

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the first push and the present may take, seconds.
const AIMS: [f64; 2] = [1.0, 8.0];

pub(crate) fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    report.say("## Start of `yingbin up` on its embedded default");
    let runtime = Runtime::new()?;
    let (mut first_push, mut present) = (Vec::new(), Vec::new());
    for number in 1..=plan.rounds {
        progress(&format!("`yingbin up`: start {number} of {}", plan.rounds));
        let (pushed, reached) = runtime
            .block_on(async { timeout(PATIENCE, start()).await })
            .context("`yingbin up` takes longer than a minute to start")??;
        first_push.push(pushed.as_secs_f64());
        present.push(reached.as_secs_f64());
    }
    let measured = [
        ("the first push was answered `success`", Rounds::of(first_push)),
        ("the present was reached, two months lived through", Rounds::of(present)),
    ];
    let rows: Vec<Vec<String>> =
        measured.iter().map(|(what, rounds)| vec![(*what).to_owned(), format!("{rounds:.2}")]).collect();
    report.table(&["from the start of the process until", "seconds"], &rows);
    for ((what, rounds), most) in measured.iter().zip(AIMS) {
        report.aim(&format!("start: {what}, s"), rounds, most);
    }
    Ok(())
}

/// One start: how long both took.
async fn start() -> Result<(Duration, Duration)> {
    let examples = yingbin::up::examples_folder()?;
    let account = Example::read(&examples.join("qianjiang"))?.account;
    let (folder, port) = (tempfile::tempdir()?, TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_yingbin"));
    command.args(["up", "--json", "--gateway-port", &port.to_string(), "--examples"]).arg(&examples);
    for flag in ["--simulator-port", "--profile-port", "--admin-port"] {
        command.args([flag, "0"]);
    }
    command.env_remove("KAFKA_BOOTSTRAP").env_remove("REDIS_URL").env("RUST_LOG", "off");
    command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.kill_on_drop(true).spawn().context("yingbin cannot be started")?;
    let mut said = BufReader::new(child.stdout.take().context("its output is piped")?);
    let present = async {
        let mut line = String::new();
        said.read_line(&mut line).await?;
        ensure!(!line.is_empty(), "`yingbin up` ended before the present: run it by hand to see why");
        Ok(started.elapsed())
    };
    let pushed = async {
        first_push(&account, port).await?;
        anyhow::Ok(started.elapsed())
    };
    let took = tokio::try_join!(pushed, present)?;
    end(child).await?;
    Ok(took)
}

/// Pushes until it is taken.
async fn first_push(account: &Account, port: u16) -> Result<()> {
    let push = sealed(account)?;
    let url = format!("http://127.0.0.1:{port}/wechat/{}?{}", account.name, push.query);
    // TLS is not used, but its client asks for it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().no_proxy().build()?;
    loop {
        let answer = http.post(&url).header("content-type", push.content_type).body(push.body.clone()).send();
        if let Ok(answer) = answer.await
            && answer.text().await? == "success"
        {
            return Ok(());
        }
        sleep(Duration::from_millis(2)).await;
    }
}

fn sealed(account: &Account) -> Result<SealedPush> {
    let credentials = Credentials {
        app_id: account.app_id.clone(),
        token: account.token.as_str().into(),
        previous_token: None,
        aes_key: Some(AesKey::parse(&account.aes_key)?),
        previous_aes_key: None,
        mode: account.mode,
    };
    let seconds = Clock::system().now_ms() / 1000;
    let document = format!(
        "<xml><ToUserName>{}</ToUserName><FromUserName>oEarlyBird0123456789abcdefgh</FromUserName>\
         <CreateTime>{seconds}</CreateTime><MsgType>text</MsgType><Content>早</Content><MsgId>1</MsgId></xml>",
        account.original_id
    );
    seal(&credentials, document.as_bytes(), account.format, seconds, "415670741", [b'r'; 16])
        .context("the account has a key")
}

/// Ctrl-C, and its end.
async fn end(mut child: Child) -> Result<()> {
    let kill = format!("kill -s INT {}", child.id().context("it ended by itself")?);
    ensure!(Command::new("sh").args(["-c", &kill]).status().await?.success(), "it cannot be ended");
    child.wait().await?;
    Ok(())
}
