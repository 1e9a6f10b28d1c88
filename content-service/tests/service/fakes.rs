//! The platform's API and profile-service, as far as content-service sees them, over real sockets.

use std::{
    collections::{HashMap, HashSet, VecDeque},
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
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use proto::profile::{
    EnrichAllRequest, EnrichAllResponse, EnrichResponse, Enrichment, Profile, RecordAllRequest,
    RecordAllResponse, RecordResponse, Refusal, Shown, enrich_all_response,
    profile_service_server::{ProfileService, ProfileServiceServer},
    record_all_response,
    record_request::What,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
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
    /// Users whose messages are not answered while they stand here.
    pub(crate) held: HashSet<String>,
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
    while api.lock().held.contains(&one.openid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
    pub(crate) traceparents: Vec<String>,
    /// It is older than the calls that content-service makes.
    pub(crate) older: bool,
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

    pub(crate) fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

impl Told {
    fn refusal(&self, id: &str) -> Option<Refusal> {
        let code = *self.refuse.get(id)?;
        Some(Refusal { code: code.into(), message: "as scripted".to_owned() })
    }

    fn enrich(&mut self, asked: EnrichAllRequest) -> enrich_all_response::Result {
        self.traceparents.push(asked.traceparent);
        let event = asked.request.unwrap().event.unwrap();
        if let Some(refusal) = self.refusal(&event.id) {
            return enrich_all_response::Result::Refusal(refusal);
        }
        self.enriched.push(event.id);
        let profile = Profile { version: 1, ..Profile::default() };
        let enrichment = Enrichment { profile: Some(profile), visit_started: true, habits: Vec::new() };
        enrich_all_response::Result::Response(EnrichResponse { enrichment: Some(enrichment) })
    }

    fn record(&mut self, asked: RecordAllRequest) -> record_all_response::Result {
        self.traceparents.push(asked.traceparent);
        let Some(What::Shown(shown)) = asked.request.unwrap().what else {
            panic!("only what was shown is recorded")
        };
        if let Some(refusal) = self.refusal(&shown.id) {
            return record_all_response::Result::Refusal(refusal);
        }
        self.shown.push(shown);
        record_all_response::Result::Response(RecordResponse { version: 2, applied: true })
    }
}

type Answers<A> = BoxStream<'static, Result<A, Status>>;

/// Answers each request of a call, under its number.
fn answers<Q: Send + 'static, A: Send + 'static>(
    requests: Request<Streaming<Q>>,
    mut one: impl FnMut(u32, Q) -> A + Send + 'static,
) -> Response<Answers<A>> {
    let numbered = requests.into_inner().zip(stream::iter(0..));
    Response::new(numbered.map(move |(request, number)| Ok(one(number, request?))).boxed())
}

#[tonic::async_trait]
impl ProfileService for Profiles {
    async fn enrich_all(
        &self,
        requests: Request<Streaming<EnrichAllRequest>>,
    ) -> Result<Response<Answers<EnrichAllResponse>>, Status> {
        if self.lock().older {
            return Err(Status::unimplemented("as scripted"));
        }
        let profiles = self.clone();
        let one = move |number, asked| {
            let result = Some(profiles.lock().enrich(asked));
            EnrichAllResponse { number, result }
        };
        Ok(answers(requests, one))
    }

    async fn record_all(
        &self,
        requests: Request<Streaming<RecordAllRequest>>,
    ) -> Result<Response<Answers<RecordAllResponse>>, Status> {
        let profiles = self.clone();
        let one = move |number, asked| {
            let result = Some(profiles.lock().record(asked));
            RecordAllResponse { number, result }
        };
        Ok(answers(requests, one))
    }
}
