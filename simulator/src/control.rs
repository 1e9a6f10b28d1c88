//! The control under `/sim/`, for tests, tools and the phone.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wechat::Secret;
use wechat::envelope::{AesKey, KeyError};

use crate::act::{ActError, ActOrder, OrderShape};
use crate::config::{MenuButton, Person};
use crate::deliver::{Order, OrderError};
use crate::faults::{Fault, FaultError};
use crate::tap::TapError;
use crate::world::{Simulator, UnknownAccount, lock};

/// Longest time that a question for messages waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A question that can not be answered: `{"ok":false,"say":…}`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error(transparent)]
    Account(#[from] UnknownAccount),
    #[error(transparent)]
    Act(#[from] ActError),
    #[error(transparent)]
    Shape(#[from] OrderShape),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("{}", .0.body_text())]
    Body(#[from] JsonRejection),
    #[error("{}", .0.body_text())]
    Query(#[from] QueryRejection),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Tap(#[from] TapError),
    #[error("say either advance_ms or set_ms")]
    Clock,
    #[error("the delivery stopped before its end")]
    Stopped(#[from] tokio::task::JoinError),
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Account(_) | Self::Order(OrderError::Account(_)) => StatusCode::NOT_FOUND,
            Self::Stopped(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "ok": false, "say": self.to_string() }))).into_response()
    }
}

pub(crate) type Answer = Result<Json<Value>, ControlError>;
pub(crate) type Searched<T> = Result<Query<T>, QueryRejection>;

/// A body that is JSON, whatever its content type says: `curl -d` says that it is a form.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = ControlError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ControlError> {
        let body = Bytes::from_request(request, state).await.map_err(JsonRejection::from)?;
        Ok(Self(Json::from_bytes(&body)?.0))
    }
}

/// `POST /sim/push`.
pub(crate) async fn push(State(simulator): State<Simulator>, Asked(order): Asked<Order>) -> Answer {
    deliver(simulator, order).await
}

/// Deliveries go on when the caller goes away, as the platform's do.
async fn deliver(simulator: Simulator, order: Order) -> Answer {
    let attempts = tokio::spawn(async move { simulator.push(&order).await }).await??;
    Ok(Json(json!({ "attempts": attempts })))
}

/// `POST /sim/act`.
pub(crate) async fn act(State(simulator): State<Simulator>, Asked(order): Asked<Value>) -> Answer {
    let ActOrder { account, openid, repeat, act } = ActOrder::read(order)?;
    let settings = &simulator.config().accounts[simulator.account(&account)?];
    let document = act.document(settings, &openid, simulator.now_ms(), simulator.next_message_id())?;
    deliver(simulator, Order { account, document, repeat, ..Order::default() }).await
}

/// What part of a record is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    account: Option<String>,
    openid: Option<String>,
    #[serde(default)]
    since: u64,
    #[serde(default)]
    wait: u64,
}

impl Part {
    fn holds(&self, account: &str, openid: &str) -> bool {
        self.account.as_deref().is_none_or(|wanted| wanted == account)
            && self.openid.as_deref().is_none_or(|wanted| wanted == openid)
    }
}

/// `GET /sim/pushes`.
pub(crate) async fn pushes(State(simulator): State<Simulator>, part: Searched<Part>) -> Answer {
    let part = part?.0;
    let pushes = simulator.record().pushes(part.since, |push| part.holds(&push.account, &push.openid));
    Ok(Json(json!({ "pushes": pushes })))
}

/// `GET /sim/sends`.
pub(crate) async fn sends(State(simulator): State<Simulator>, part: Searched<Part>) -> Answer {
    let part = part?.0;
    let sends = simulator.record().sends(part.since, |send| part.holds(&send.account, &send.openid));
    Ok(Json(json!({ "sends": sends })))
}

/// `GET /sim/messages`; with `wait` it answers as soon as there is something, or when the time is over.
pub(crate) async fn messages(State(simulator): State<Simulator>, part: Searched<Part>) -> Answer {
    let part = part?.0;
    let mut last = simulator.record().last();
    let wait = Duration::from_millis(part.wait).min(LONGEST_WAIT);
    let end = tokio::time::Instant::now() + wait;
    loop {
        last.mark_unchanged();
        let found =
            simulator.record().arrivals(part.since, |arrival| part.holds(&arrival.account, &arrival.openid));
        let more = tokio::time::timeout_at(end, last.changed());
        if !found.is_empty() || !matches!(more.await, Ok(Ok(()))) {
            return Ok(Json(json!({ "messages": found })));
        }
    }
}

/// `GET /sim/accounts`.
pub(crate) async fn accounts(State(simulator): State<Simulator>) -> Json<Value> {
    let accounts = simulator.config().accounts.iter().map(|account| {
        json!({
            "name": account.name,
            "title": account.title,
            "app_id": account.app_id,
            "kind": account.kind,
            "rules": account.rules,
            "mode": account.mode,
            "menu": account.menu.iter().map(MenuButton::to_json).collect::<Vec<_>>(),
        })
    });
    Json(json!({ "accounts": accounts.collect::<Vec<_>>() }))
}

/// Body of `POST /sim/credentials`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    account: String,
    token: Option<Secret>,
    aes_key: Option<Secret>,
}

/// `POST /sim/credentials`.
pub(crate) async fn change_credentials(
    State(simulator): State<Simulator>,
    Asked(Change { account, token, aes_key }): Asked<Change>,
) -> Answer {
    let aes_key = aes_key.map(|key| AesKey::parse(key.expose())).transpose()?;
    simulator.change_credentials(simulator.account(&account)?, token, aes_key);
    Ok(accounts(State(simulator)).await)
}

/// `GET /sim/people`.
pub(crate) async fn people(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({ "people": *lock(&simulator.world().people) }))
}

/// `POST /sim/people`.
pub(crate) async fn add_person(State(simulator): State<Simulator>, Asked(person): Asked<Person>) -> Answer {
    simulator.add_person(person)?;
    Ok(people(State(simulator)).await)
}

/// `GET /sim/clock`.
pub(crate) async fn clock(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({ "now_ms": simulator.now_ms() }))
}

/// Body of `POST /sim/clock`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    advance_ms: Option<u64>,
    set_ms: Option<i64>,
}

/// `POST /sim/clock`.
pub(crate) async fn move_clock(State(simulator): State<Simulator>, Asked(order): Asked<Move>) -> Answer {
    match order {
        Move { advance_ms: Some(by), set_ms: None } => simulator.clock().advance(Duration::from_millis(by)),
        Move { advance_ms: None, set_ms: Some(now_ms) } => simulator.clock().set_ms(now_ms),
        _ => return Err(ControlError::Clock),
    }
    Ok(clock(State(simulator)).await)
}

/// `GET /sim/faults`.
pub(crate) async fn faults(State(simulator): State<Simulator>) -> Json<Value> {
    Json(json!({ "faults": lock(&simulator.world().faults).left() }))
}

/// `POST /sim/faults`: one fault or a list of them.
pub(crate) async fn script(State(simulator): State<Simulator>, Asked(script): Asked<Value>) -> Answer {
    let script = match script {
        Value::Array(faults) => faults,
        fault => vec![fault],
    };
    let faults = script.into_iter().map(Fault::read).collect::<Result<Vec<_>, _>>()?;
    lock(&simulator.world().faults).script(faults);
    Ok(self::faults(State(simulator)).await)
}

/// `DELETE /sim/faults`.
pub(crate) async fn clear_faults(State(simulator): State<Simulator>) -> Json<Value> {
    lock(&simulator.world().faults).clear();
    faults(State(simulator)).await
}
