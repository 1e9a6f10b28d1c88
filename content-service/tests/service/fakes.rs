//! The platform's API and profile-service, as far as content-service sees them, over real sockets.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::IntoResponse,
    routing::post,
};
use proto::profile::{
    EnrichRequest, EnrichResponse, Enrichment, EraseRequest, EraseResponse, GetRequest, GetResponse,
    ImportRequest, ImportResponse, Profile, RecordAllRequest, RecordAllResponse, RecordRefusal,
    RecordRequest, RecordResponse, RecordResult, Shown, UpdateRequest, UpdateResponse,
    profile_service_server::{ProfileService, ProfileServiceServer},
    record_request::What,
    record_result,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tonic::{Code, Request, Response, Status, Streaming};

/// What the platform answers to a send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Code(i32),
    /// Status 503: come again after so many seconds.
    Busy(u32),
    /// Takes the message and never answers.
    Silence,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) openid: String,
    pub(crate) content: String,
}

#[derive(Default)]
pub(crate) struct Platform {
    pub(crate) arrived: Vec<Arrived>,
    pub(crate) calls: usize,
    pub(crate) script: VecDeque<Answer>,
    /// Answered when the script is over.
    pub(crate) errcode: i32,
    pub(crate) delays: HashMap<String, Duration>,
    pub(crate) delay: Duration,
    pub(crate) token_away: bool,
    pub(crate) token_errcode: Option<i32>,
    pub(crate) token_calls: usize,
    in_flight: usize,
    pub(crate) most_in_flight: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<Platform>>);

impl Api {
    pub(crate) async fn start() -> (Self, String) {
        let api = Self::default();
        let routes = Router::new()
            .route("/cgi-bin/stable_token", post(token))
            .route("/cgi-bin/message/custom/send", post(send))
            .with_state(api.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (api, address)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Platform> {
        self.0.lock().unwrap()
    }

    pub(crate) fn contents(&self, openid: &str) -> Vec<String> {
        let state = self.lock();
        state.arrived.iter().filter(|one| one.openid == openid).map(|one| one.content.clone()).collect()
    }
}

async fn token(State(api): State<Api>) -> Result<Json<Value>, StatusCode> {
    let mut state = api.lock();
    state.token_calls += 1;
    if state.token_away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    if let Some(errcode) = state.token_errcode {
        return Ok(Json(json!({"errcode": errcode, "errmsg": "as told"})));
    }
    Ok(Json(json!({"access_token": "ACCESS", "expires_in": 7200})))
}

async fn send(State(api): State<Api>, Json(message): Json<Value>) -> axum::response::Response {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = Arrived { openid: text(&message["touser"]), content: text(&message["text"]["content"]) };
    let (answer, delay) = {
        let mut state = api.lock();
        state.calls += 1;
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        let delay = state.delays.get(&one.openid).copied().unwrap_or(state.delay);
        (state.script.pop_front().unwrap_or(Answer::Code(state.errcode)), delay)
    };
    tokio::time::sleep(delay).await;
    {
        let mut state = api.lock();
        state.in_flight -= 1;
        if matches!(answer, Answer::Code(0) | Answer::Silence) {
            state.arrived.push(one);
        }
    }
    match answer {
        Answer::Code(code) => Json(json!({"errcode": code, "errmsg": "as scripted"})).into_response(),
        Answer::Busy(after) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, after.to_string())]).into_response()
        }
        Answer::Silence => std::future::pending().await,
    }
}

/// What profile-service was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) enriched: Vec<String>,
    /// Events, and records of what was shown, that are answered so.
    pub(crate) refuse: HashMap<String, Code>,
    pub(crate) shown: Vec<Shown>,
    /// Records in each call that told what was shown.
    pub(crate) calls: Vec<usize>,
    /// While it says so these calls have no answer.
    pub(crate) held: Option<watch::Receiver<bool>>,
    pub(crate) traceparents: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Profiles(Arc<Mutex<Told>>);

impl Profiles {
    /// Serves on `address`; dropping the task ends it.
    pub(crate) async fn start(&self, address: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let service = ProfileServiceServer::new(self.clone());
        let serving = async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        };
        (address, tokio::spawn(serving))
    }

    fn note_trace<T>(&self, request: &Request<T>) {
        let trace = request.metadata().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
        self.lock().traceparents.extend(trace);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

#[tonic::async_trait]
impl ProfileService for Profiles {
    async fn enrich(&self, request: Request<EnrichRequest>) -> Result<Response<EnrichResponse>, Status> {
        self.note_trace(&request);
        let event = request.into_inner().event.unwrap();
        let mut told = self.lock();
        if let Some(code) = told.refuse.get(&event.id) {
            return Err(Status::new(*code, "as scripted"));
        }
        told.enriched.push(event.id.clone());
        let profile = Profile { version: 1, ..Profile::default() };
        let enrichment = Enrichment { profile: Some(profile), visit_started: true, habits: Vec::new() };
        Ok(Response::new(EnrichResponse { enrichment: Some(enrichment) }))
    }

    async fn record(&self, _: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        Err(Status::unimplemented("content-service does not ask for it"))
    }

    async fn record_all(
        &self,
        request: Request<RecordAllRequest>,
    ) -> Result<Response<RecordAllResponse>, Status> {
        self.note_trace(&request);
        let held = self.lock().held.clone();
        self.lock().calls.push(request.get_ref().requests.len());
        if let Some(mut held) = held {
            held.wait_for(|held| !held).await.unwrap();
        }
        let mut told = self.lock();
        let mut record = |request: RecordRequest| {
            let Some(What::Shown(shown)) = request.what else { panic!("only what was shown is recorded") };
            if let Some(code) = told.refuse.get(&shown.id) {
                let message = "as scripted".to_owned();
                return record_result::Result::Refusal(RecordRefusal { code: (*code).into(), message });
            }
            told.shown.push(shown);
            record_result::Result::Response(RecordResponse { version: 2, applied: true })
        };
        let results = request.into_inner().requests.into_iter();
        let results = results.map(|request| RecordResult { result: Some(record(request)) }).collect();
        Ok(Response::new(RecordAllResponse { results }))
    }

    async fn get(&self, _: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        Err(Status::unimplemented("content-service does not ask for it"))
    }

    async fn update(&self, _: Request<UpdateRequest>) -> Result<Response<UpdateResponse>, Status> {
        Err(Status::unimplemented("content-service does not ask for it"))
    }

    async fn import(&self, _: Request<Streaming<ImportRequest>>) -> Result<Response<ImportResponse>, Status> {
        Err(Status::unimplemented("content-service does not ask for it"))
    }

    async fn erase(&self, _: Request<EraseRequest>) -> Result<Response<EraseResponse>, Status> {
        Err(Status::unimplemented("content-service does not ask for it"))
    }
}
