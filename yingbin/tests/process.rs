//! `yingbin up` and `yingbin story` as a person or a script runs them, and the service binaries with a configuration that cannot be used.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "process/backstage.rs"]
mod backstage;
#[path = "process/early.rs"]
mod early;
#[path = "process/logs.rs"]
mod logs;
#[path = "support/processes.rs"]
#[allow(dead_code, reason = "a test uses its own part")]
mod processes;
#[path = "support/quota.rs"]
mod quota;
#[path = "support/redis.rs"]
#[allow(dead_code, reason = "a test uses its own part")]
mod redis;
#[path = "process/story.rs"]
mod story;
#[path = "process/up.rs"]
mod up;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};
use up::{Up, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_one_line_on_standard_output_says_where_everything_is() {
    let mut up = Up::present().await;
    let announced = up.announced.clone();
    let mut names: Vec<&str> = announced.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accounts", "admin", "gateway", "kafka", "profile", "redis", "simulator"]);
    for address in [&announced["gateway"], &announced["simulator"], &announced["profile"]] {
        assert!(address.as_str().unwrap().starts_with("http://127.0.0.1:"), "{address}");
    }
    for name in ["gateway", "profile", "content"] {
        let ready = up.get(&announced["admin"][name], "/readyz").await;
        assert_eq!((ready.status().as_u16(), ready.text().await.unwrap().trim()), (200, "ready"), "{name}");
    }
    let first = json!({
        "name": "qianjiang",
        "path": "/wechat/qianjiang",
        "app_id": "wx7c11c05dff7b9c8f",
        "token": "qianjiang-example-token",
        "aes_key": "AgsXOhyl9F6sn23DSp8kVzjliKE1QufhQNB9reosfhA",
        "mode": "safe",
    });
    assert_eq!(announced["accounts"][0], first);
    assert_eq!(announced["accounts"][1]["mode"], "compatible");
    let kept: Value = serde_json::from_slice(&std::fs::read(up.file()).unwrap()).unwrap();
    assert_eq!(kept, announced);
    let kafka = announced["kafka"].as_str().unwrap();
    assert!(tokio::net::TcpStream::connect(kafka).await.is_ok(), "{kafka}");

    assert_eq!(up.interrupt().await, Some(0), "{}", up.told());
    assert!(!up.file().exists(), "nothing runs here any more");
    assert!(!up.redis_answers().await, "redis has gone, too");
    assert_eq!(up.more().await, "", "nothing else on standard output, ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_ends_even_when_nobody_can_end_it() {
    let mut up = Up::present().await;
    assert!(up.redis_answers().await);
    up.kill().await;
    until("redis to end", async || !up.redis_answers().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_is_told_at_once_and_ends_everything() {
    let mut up = Up::present().await;
    let pid = up.redis_pid().await;
    assert!(Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().await.unwrap().success());
    let sentence = format!("Redis (pid {pid}), which this process had started, was ended by signal 9");
    until("a word about redis", async || up.told().contains(&sentence)).await;
    assert_eq!(up.ended().await, Some(1), "{}", up.told());
    let told = up.told();
    assert!(!told.contains("No such process") && !told.contains("kill:"), "{told}");
    assert!(!up.file().exists(), "nothing runs here any more");
    for name in ["gateway", "profile", "simulator"] {
        assert!(!up.listens(name).await, "{name} is still there: {told}");
    }
    assert_eq!(up.more().await, "", "nothing else on standard output, ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_interrupted_while_the_past_is_lived_through() {
    let mut up = Up::start(&[]);
    until("the past", async || up.told().contains("living through")).await;
    assert_eq!(up.interrupt().await, Some(0), "{}", up.told());
    assert_eq!((up.more().await.as_str(), up.file().exists()), ("", false), "the present was not reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_reaches_the_whole_group_and_redis_goes_last() {
    let mut up = Up::present().await;
    up.ctrl_c().await;
    until("redis to end", async || !up.redis_answers().await).await;
    for name in ["gateway", "profile", "simulator"] {
        assert!(!up.listens(name).await, "{name} was still there without its redis: {}", up.told());
    }
    assert_eq!(up.ended().await, Some(0), "{}", up.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_readers_enter_and_each_gets_a_paper_of_his_own() {
    let up = Up::present().await;
    let people: Value = up.get(&up.announced["simulator"], "/sim/people").await.json().await.unwrap();
    let people = people["people"].as_array().unwrap();
    let readers: Vec<&Value> = people.iter().filter(|person| person["account"] == "qianjiang").collect();
    assert_eq!((readers[0]["name"].as_str(), readers.len()), (Some("李大爷"), 3));
    let openids: Vec<&str> = readers.iter().map(|reader| reader["openid"].as_str().unwrap()).collect();
    let papers = futures::future::join_all(openids.iter().map(|openid| paper(&up, openid))).await;
    assert!(papers[0] != papers[1] && papers[1] != papers[2] && papers[0] != papers[2], "{papers:?}");
    for word in ["台湾", "奎屯", "波士顿"] {
        assert!(papers[0].contains(word), "{word} is not in {}", papers[0]);
        assert!(!papers[2].contains(word), "{word} is in the editor's default {}", papers[2]);
    }
    for word in ["省领导", "市领导"] {
        assert!(!papers[0].contains(word), "{word} is in {}", papers[0]);
    }
    assert!(papers[2].contains("今日要闻") && papers[2].contains("省领导"), "{}", papers[2]);
    assert!(!papers[1].contains("奎屯") && !papers[1].contains("今日要闻"), "{}", papers[1]);
}

/// Lets somebody enter and waits for the text that arrives.
pub(crate) async fn paper(up: &Up, openid: &str) -> String {
    let simulator = up.announced["simulator"].as_str().unwrap();
    let now: Value = up.get(&up.announced["simulator"], "/sim/clock").await.json().await.unwrap();
    let arrived = format!("{simulator}/sim/messages?openid={openid}&wait=5000");
    let before: Value = up.http.get(arrived.replace("5000", "0")).send().await.unwrap().json().await.unwrap();
    let before =
        before["messages"].as_array().unwrap().last().map_or(0, |last| last["seq"].as_u64().unwrap());
    let document = format!(
        "<xml><ToUserName><![CDATA[gh_9a4cbd787f6c]]></ToUserName><FromUserName><![CDATA[{openid}]]></FromUserName>\
         <CreateTime>{}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[user_enter_tempsession]]></Event>\
         <SessionFrom><![CDATA[front page]]></SessionFrom></xml>",
        now["now_ms"].as_i64().unwrap() / 1000
    );
    let order = json!({"account": "qianjiang", "document": document});
    let pushed = up.http.post(format!("{simulator}/sim/push")).json(&order).send().await.unwrap();
    let pushed: Value = pushed.json().await.unwrap();
    let attempts = pushed["attempts"].as_array().unwrap();
    assert_eq!(
        (attempts.len(), &attempts[0]["status"], &attempts[0]["body"]),
        (1, &json!(200), &json!("success"))
    );
    let answer = up.http.get(format!("{arrived}&since={before}")).send().await.unwrap();
    let messages: Value = answer.json().await.unwrap();
    let message = &messages["messages"][0];
    assert_eq!(
        (&message["errcode"], &message["message"]["msgtype"]),
        (&json!(0), &json!("text")),
        "{messages}"
    );
    up.refuses_nothing().await;
    message["message"]["text"]["content"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_the_flag_that_moves_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--gateway-port", "--simulator-port", "--profile-port", "--admin-port"] {
        let mut up = Up::start(&[flag, &port]);
        assert_eq!(up.ended().await, Some(1));
        let told = up.told();
        assert!(told.contains(&format!("port {port}")) && told.contains(flag), "{told}");
        assert_eq!(up.more().await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_taken_ports_are_named_at_once() {
    let taken = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = taken.each_ref().map(|taken| taken.local_addr().unwrap().port().to_string());
    let [gateway, simulator, profile] = &ports;
    let mut up =
        Up::start(&["--gateway-port", gateway, "--simulator-port", simulator, "--profile-port", profile]);
    assert_eq!(up.ended().await, Some(1));
    let told = up.told();
    for (port, flag) in ports.iter().zip(["--gateway-port", "--simulator-port", "--profile-port"]) {
        let line = told.lines().find(|line| line.contains(&format!("port {port} ")));
        assert!(line.is_some_and(|line| line.contains(flag)), "{port}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_in_a_folder_leaves_the_file_to_the_first() {
    let mut first = Up::present().await;
    let mut second = Up::present_in(first.folder()).await;
    let kept = || serde_json::from_slice::<Value>(&std::fs::read(first.file()).unwrap()).unwrap();
    assert_eq!(kept(), first.announced);
    let told = second.told();
    assert!(told.contains("another `yingbin up` runs in this folder"), "{told}");
    let kafka = second.announced["kafka"].as_str().unwrap();
    assert!(told.contains(&format!("--kafka {kafka}")), "it says how to reach it: {told}");
    assert_eq!(second.interrupt().await, Some(0), "{}", second.told());
    assert_eq!(kept(), first.announced, "only its owner removes it");
    assert_eq!(first.interrupt().await, Some(0));
    assert!(!first.file().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tells_all_that_is_wrong_with_its_settings_and_binds_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let listen = format!("listen = \"{taken}\"");
    for (service, settings, wrong) in [
        (
            "gateway",
            format!("[gateway]\n{listen}\n[limits]\nconnections = \"many\"\n[[accounts]]\nname = \"a b\"\n"),
            vec![":4: limits.connections", ":6: accounts.0.name", "accounts.0.token", "links.secret"],
        ),
        (
            "profile-service",
            format!(
                "[grpc]\n{listen}\nmax_connection_age = \"long\"\n[cache]\nbytes = -1\nsize = 2\n[redis]\nurl = \"rediss://r\"\nca = \"/nowhere\"\n"
            ),
            vec![":3: grpc.max_connection_age", ":5: cache.bytes", ":6: cache.size", ":9: redis.ca"],
        ),
        (
            "content-service",
            format!(
                "[admin]\n{listen}\n[concurrency]\nsends = 0\n[[accounts]]\nname = \"a\"\nkind = \"shop\"\n"
            ),
            vec![":4: concurrency.sends", ":7: accounts.0.kind", "accounts.0.app_id", "links.base_url"],
        ),
        (
            "simulator",
            format!("{listen}\n[push]\nstep = \"soon\"\n[[people]]\naccount = \"nobody\"\nname = \"n\"\n"),
            vec![":3: push.step", ":5: people.0.account", "people.0.openid"],
        ),
    ] {
        let told = refused(service, &settings).await;
        for problem in wrong {
            assert!(told.contains(problem), "{service}: {problem} is not in\n{told}");
        }
        assert!(!told.contains(&taken.to_string()), "{service} tried to bind:\n{told}");
    }
}

async fn refused(service: &str, settings: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.toml"), settings).unwrap();
    let program = beside(service);
    let ended =
        run(Command::new(program).args(["--config", "settings.toml"]).current_dir(folder.path())).await;
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(64), 0), "{service}: {told}");
    let located = told.lines().filter(|line| line.starts_with("settings.toml:")).count();
    assert!(located >= 3, "{service}: {told}");
    told
}

/// A service's program lies beside this one.
fn beside(service: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_yingbin")).with_file_name(service);
    assert!(program.exists(), "no program {service}: run `cargo build --workspace` first");
    program
}

pub(crate) async fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(Duration::from_secs(30), output).await.expect("an end").unwrap()
}
