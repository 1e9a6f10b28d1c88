//! What the phone's page shows behind the phone, as JSON under `/backstage/`.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    routing::get,
};
use proto::{
    activity::{Customer, User, customer::Name},
    content::Item,
    event::Event,
    profile::{GetRequest, profile_service_client::ProfileServiceClient},
    reply::Reply,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::{Backstage, Newest};
use crate::{example::Example, json::to_json};

#[derive(Clone)]
struct Behind {
    backstage: Backstage,
    profiles: ProfileServiceClient<Channel>,
    app_ids: Vec<(String, String)>,
    titles: Arc<BTreeMap<String, String>>,
    /// Names of topics by account.
    topics: Arc<BTreeMap<String, BTreeMap<String, String>>>,
}

/// Outcomes of one guest that the page is given.
const SHOWN: usize = 60;

/// `GET /backstage/replies?openid=…` and `GET /backstage/profile?account=…&openid=…`.
///
/// # Errors
/// The address of profile-service is none, or a playbook cannot be read.
pub fn routes(backstage: Backstage, profile: &str, examples: &[Example], items: &[Item]) -> Result<Router> {
    let channel = Channel::from_shared(profile.to_owned())?.connect_lazy();
    let accounts =
        examples.iter().map(|example| (example.account.name.clone(), example.account.app_id.clone()));
    let topics = examples.iter().map(|example| Ok((example.account.name.clone(), example.topics()?)));
    let behind = Behind {
        backstage,
        profiles: ProfileServiceClient::new(channel),
        app_ids: accounts.collect(),
        titles: Arc::new(items.iter().map(|item| (item.id.clone(), item.title.clone())).collect()),
        topics: Arc::new(topics.collect::<Result<_>>()?),
    };
    Ok(Router::new()
        .route("/backstage/replies", get(replies))
        .route("/backstage/profile", get(profile_of))
        .with_state(behind))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    account: String,
    openid: String,
}

/// What can not be answered says why, as the simulator's own questions do.
type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;
type Searched = Result<Query<Asked>, QueryRejection>;

fn refused(status: StatusCode, say: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "ok": false, "say": say })))
}

fn understood(asked: Searched) -> Result<Asked, (StatusCode, Json<Value>)> {
    asked
        .map(|Query(asked)| asked)
        .map_err(|rejection| refused(StatusCode::BAD_REQUEST, &rejection.body_text()))
}

async fn replies(State(behind): State<Behind>, asked: Searched) -> Answer {
    let asked = understood(asked)?;
    let Newest { told, kept_since_ms } = behind.backstage.newest_of(&asked.openid, SHOWN);
    let entry = |(event, reply): &(Option<Event>, Reply)| {
        json!({
            "event": event.as_ref().map(to_json),
            "reply": to_json(reply),
        })
    };
    Ok(Json(json!({
        "replies": told.iter().map(entry).collect::<Vec<_>>(),
        "kept_since_ms": kept_since_ms,
        "titles": *behind.titles,
        "topics": behind.topics.get(&asked.account),
    })))
}

async fn profile_of(State(mut behind): State<Behind>, asked: Searched) -> Answer {
    let asked = understood(asked)?;
    let app_id =
        behind.app_ids.iter().find(|(name, _)| *name == asked.account).map(|(_, app_id)| app_id.clone());
    let app_id = app_id.ok_or_else(|| refused(StatusCode::NOT_FOUND, "there is no such account"))?;
    let user = User { app_id, openid: asked.openid };
    let request = GetRequest { customer: Some(Customer { name: Some(Name::User(user)) }) };
    match behind.profiles.get(request).await {
        Ok(found) => Ok(Json(to_json(&found.into_inner().profile.unwrap_or_default()))),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(Json(json!({}))),
        Err(status) => Err(refused(StatusCode::BAD_GATEWAY, status.message())),
    }
}
