//! A tap on a link, as WeChat's own browser makes it: asked for from here, since a page may not read another origin's redirect.

use axum::Json;
use axum::extract::State;
use http::header::LOCATION;
use serde::Deserialize;
use serde_json::json;

use crate::control::{Answer, Asked};
use crate::world::Simulator;

/// Body of `POST /sim/tap`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tap {
    address: String,
}

/// Why a tap led nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TapError {
    #[error("`address` is no http or https address")]
    Address,
    #[error("nobody answers there: {0}")]
    Away(#[source] reqwest::Error),
}

/// `POST /sim/tap`: what the address answers and where it leads, which is not followed.
pub(crate) async fn tap(State(simulator): State<Simulator>, Asked(Tap { address }): Asked<Tap>) -> Answer {
    if !is_address(&address) {
        return Err(TapError::Address.into());
    }
    let answer = simulator.http().get(address).send().await;
    let answer = answer.map_err(|error| TapError::Away(error.without_url()))?;
    let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    Ok(Json(json!({ "status": answer.status().as_u16(), "location": location })))
}

/// `http` or `https` with a host.
pub(crate) fn is_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
