//! The commands that speak to profile-service, against one that keeps what it is told: `import`, `who`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use cli::{Ended, command, yingbin};
use proto::{
    activity::{User, customer::Name},
    profile::{
        GetRequest, GetResponse, ImportRefusal, ImportRequest, ImportResponse, Profile, Stance, TraitSource,
        UpdateRequest,
        profile_service_server::{ProfileService, ProfileServiceServer},
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::Notify};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

/// What was imported, by openid. One who is called `refused` is; at one who is called `slow` it waits until it may go on.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<HashMap<String, UpdateRequest>>>, Arc<Notify>);

/// So long it waits at most.
const PATIENCE: Duration = Duration::from_secs(20);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ProfileService for Known {
    async fn import(&self, request: Request<Streaming<ImportRequest>>) -> Answer<ImportResponse> {
        let (mut stream, mut answer) = (request.into_inner(), ImportResponse::default());
        let mut number = 0;
        while let Some(message) = stream.message().await? {
            number += 1;
            let update = message.update.unwrap();
            let openid = update.user.as_ref().unwrap().openid.clone();
            if openid == "slow" {
                let _waited = tokio::time::timeout(PATIENCE, self.1.notified()).await;
            }
            if openid == "refused" {
                answer.refused += 1;
                answer.refusals.push(ImportRefusal { number, reason: "we do not know why".into() });
            } else {
                answer.imported += 1;
                self.0.lock().unwrap().insert(openid, update);
            }
        }
        Ok(Response::new(answer))
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let user = match request.into_inner().customer.unwrap().name.unwrap() {
            Name::User(user) => user,
            Name::External(external) if external.namespace == "skypearl" => {
                User { app_id: "wx1".into(), openid: format!("member {}", external.id) }
            }
            Name::External(_) => return Err(Status::not_found("nobody")),
        };
        if user.openid == "stranger" {
            return Err(Status::not_found("nobody"));
        }
        let profile = Profile { version: 3, user: Some(user), ..Profile::default() };
        Ok(Response::new(GetResponse { profile: Some(profile) }))
    }
}

/// A running service; it ends with the runtime.
struct Service {
    _runtime: Runtime,
    address: SocketAddr,
    known: Known,
}

impl Service {
    fn start() -> Self {
        let (runtime, known) = (Runtime::new().unwrap(), Known::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = ProfileServiceServer::new(known.clone());
        let incoming = TcpListenerStream::new(listener);
        runtime.spawn(tonic::transport::Server::builder().add_service(server).serve_with_incoming(incoming));
        Self { _runtime: runtime, address, known }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let url = format!("http://{}", self.address);
        yingbin(&[arguments, &["--account", "wx1", "--profile", &url]].concat())
    }

    fn import(&self, file: &Path) -> Ended {
        self.run(&["import", file.to_str().unwrap(), "--json"])
    }

    fn imported(&self, openid: &str) -> UpdateRequest {
        self.known.0.lock().unwrap().get(openid).cloned().unwrap()
    }
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn both_formats_say_the_same() {
    let service = Service::start();
    let (_csv, csv) = file(
        "people.csv",
        "openid,trait:name,prefer,drop,external:skypearl\ncsv,李大爷,taiwan;kuytun,leaders,42\n",
    );
    let (_jsonl, jsonl) = file(
        "people.jsonl",
        r#"{"openid":"jsonl","traits":{"name":"李大爷"},"prefer":["taiwan","kuytun"],"drop":["leaders"],
           "external_ids":{"skypearl":"42"}}"#
            .replace('\n', "")
            .as_str(),
    );
    for path in [&csv, &jsonl] {
        let ended = service.import(path);
        let expected = json!({ "ok": true, "imported": 1, "refused": 0, "refusals": [] });
        assert_eq!((ended.code, ended.json()), (0, expected), "{ended:?}");
    }
    let (mut one, mut other) = (service.imported("csv"), service.imported("jsonl"));
    assert_eq!(one.user.take().unwrap().app_id, "wx1");
    assert!(one.traits[0].at_ms > 0);
    for update in [&mut one, &mut other] {
        update.user = None;
        update.traits.iter_mut().for_each(|known| known.at_ms = 0);
        update.preferences.iter_mut().for_each(|said| said.at_ms = 0);
    }
    assert_eq!(one, other);
    assert_eq!(one.traits[0].source(), TraitSource::Crm);
    let stances: Vec<Stance> = one.preferences.iter().map(|said| said.stance()).collect();
    assert_eq!(stances, [Stance::Prefer, Stance::Prefer, Stance::Drop]);
}

#[test]
fn refused_lines_are_told_with_the_lines_of_the_file() {
    let service = Service::start();
    let (_folder, path) = file("people.csv", "openid,prefer,drop\no1,,\n,a,\nrefused,,\no2,x,x\no3,,\n");
    let ended = service.import(&path);
    assert_eq!(ended.code, 1);
    let answer = ended.json();
    assert_eq!((&answer["imported"], &answer["refused"]), (&json!(2), &json!(3)));
    let expected = json!([
        { "line": 3, "what": "openid is missing" },
        { "line": 4, "what": "we do not know why" },
        { "line": 5, "what": "x stands in prefer and in drop" },
    ]);
    assert_eq!(answer["refusals"], expected);
    assert!(ended.err.contains("people.csv: line 4: we do not know why"), "{}", ended.err);
}

#[test]
fn many_people_are_streamed() {
    let service = Service::start();
    let people: String =
        (0..20_000).map(|n| format!("{{\"openid\":\"o{n}\",\"traits\":{{\"n\":{n}}}}}\n")).collect();
    let (_folder, path) = file("people.jsonl", &people);
    let ended = service.run(&["import", path.to_str().unwrap()]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "20000 people imported\n"), "{ended:?}");
    assert_eq!(service.imported("o19999").traits[0].value, "19999");
}

#[test]
fn progress_is_told_where_there_is_no_terminal() {
    let service = Service::start();
    let (_folder, path) = file("people.csv", &format!("openid,trait:name\nslow,{}\n", "x".repeat(700)));
    let url = format!("http://{}", service.address);
    let mut child = command(&["import", path.to_str().unwrap(), "--account", "wx1", "--profile", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "724 of 724 bytes\n");
    service.known.1.notify_one();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_that_cannot_be_understood_sends_nothing() {
    let service = Service::start();
    let (_folder, path) = file("people.csv", "openid,name\no1,x\n");
    let ended = service.import(&path);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("line 1: column \"name\" is not known"), "{}", ended.err);
    let (_folder, path) = file("people.txt", "");
    assert!(service.import(&path).err.contains("has to end in .csv or .jsonl"));
    assert!(service.known.0.lock().unwrap().is_empty());
}

#[test]
fn who_looks_up_an_openid_or_a_number_of_another_system() {
    let service = Service::start();
    let by_openid = service.run(&["who", "o1", "--json"]);
    let expected = json!({ "version": "3", "user": { "appId": "wx1", "openid": "o1" } });
    assert_eq!((by_openid.code, by_openid.json()), (0, expected));
    let by_card = service.run(&["who", "skypearl:42"]);
    assert!(by_card.out.starts_with("member 42 of wx1"), "{by_card:?}");
    for stranger in ["stranger", "till:1"] {
        let ended = service.run(&["who", stranger, "--json"]);
        assert_eq!((ended.code, &ended.json()["ok"]), (1, &Value::Bool(false)));
    }
}

#[test]
fn whatever_goes_wrong_is_one_line_of_json_for_a_program() {
    let (_folder, bad) = file("people.csv", "openid,name\no1,x\n");
    let bad = bad.to_str().unwrap();
    let away = ["--account", "wx1", "--profile", "http://127.0.0.1:1"];
    for (arguments, why) in [
        (vec!["import", bad], "column \"name\" is not known"),
        (vec!["import", "/nowhere/people.csv"], "/nowhere/people.csv cannot be read"),
        (vec!["import", "people.txt"], "has to end in .csv or .jsonl"),
        (vec!["who", "o1"], "http://127.0.0.1:1 does not answer"),
    ] {
        let ended = yingbin(&[&arguments[..], &away, &["--json"]].concat());
        assert_eq!((ended.code, ended.out.lines().count()), (1, 1), "{ended:?}");
        let answer = ended.json();
        assert_eq!(answer["ok"], false);
        assert!(answer["say"].as_str().unwrap().contains(why), "{why}: {answer}");
        assert!(ended.err.contains(why), "a person is told too: {}", ended.err);
        let person = yingbin(&[&arguments[..], &away].concat());
        assert_eq!(person.out, "", "nothing but answers on standard output");
    }
    for command in [
        vec!["why", "bc61184489c792ec224c23aabbcdcd1c"],
        vec!["tail", "replies"],
        vec!["topics", "create"],
        vec!["tail", "x"],
    ] {
        let ended = yingbin(&[&command[..], &["--json"]].concat());
        assert_eq!((ended.code, &ended.json()["ok"]), (1, &Value::Bool(false)), "{command:?}");
    }
}

#[test]
fn a_service_that_is_not_found_or_away_is_told_with_what_to_do() {
    let nowhere = yingbin(&["who", "o1", "--account", "wx1"]);
    assert!(nowhere.err.contains("give --profile http://host:50051"), "{}", nowhere.err);
    let away = yingbin(&["who", "o1", "--account", "wx1", "--profile", "http://127.0.0.1:1"]);
    assert_eq!(away.code, 1);
    assert!(away.err.contains("http://127.0.0.1:1 does not answer"), "{}", away.err);
    let whose = yingbin(&["who", "o1", "--profile", "http://127.0.0.1:1"]);
    assert!(whose.err.contains("--account APP_ID"), "{}", whose.err);
}
