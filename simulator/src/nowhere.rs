//! Addresses that are none and methods that an address does not take, told in the form of those who ask there.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::platform::answer;

/// The platform's code for a call that it does not know.
const INVALID_URL: i32 = 40066;
const REQUIRE_GET: i32 = 43001;
const REQUIRE_POST: i32 = 43002;

/// What has no route.
pub(crate) async fn unknown_path(uri: Uri) -> Response {
    let say = format!("there is no {}: docs/simulator.md has all addresses", uri.path());
    told(StatusCode::NOT_FOUND, &uri, INVALID_URL, &say)
}

/// What has a route for other methods.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let errcode = if method == Method::POST { REQUIRE_GET } else { REQUIRE_POST };
    let say =
        format!("{} does not take {method}: docs/simulator.md has the method of each address", uri.path());
    told(StatusCode::METHOD_NOT_ALLOWED, &uri, errcode, &say)
}

fn told(status: StatusCode, uri: &Uri, errcode: i32, say: &str) -> Response {
    if uri.path().starts_with("/cgi-bin/") {
        return (status, Json(answer(errcode))).into_response();
    }
    if uri.path().starts_with("/sim/") {
        return (status, Json(json!({ "ok": false, "say": say }))).into_response();
    }
    status.into_response()
}
