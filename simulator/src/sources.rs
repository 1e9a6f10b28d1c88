//! Data of the outside world for playbooks: the weather, from a file.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accept::Line;
use crate::control::{ControlError, Searched};
use crate::faults::Path;
use crate::platform::carry_out;
use crate::world::Simulator;

/// Query of the weather.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    city: String,
}

/// The entry with the city's name in it.
fn named(weather: &Value, city: &str) -> Value {
    let mut weather = weather.clone();
    if let Some(fields) = weather.as_object_mut() {
        fields.insert("city".to_owned(), city.into());
    }
    weather
}

/// `GET /sim/sources/weather?city=…`: the city's entry of the file and its name, 404 without one.
pub(crate) async fn weather(
    State(simulator): State<Simulator>,
    Extension(line): Extension<Line>,
    place: Searched<Place>,
) -> Result<Response, ControlError> {
    let Place { city } = place?.0;
    let fault = simulator.fault(Path::Source, None, None);
    let answered = carry_out(fault, &line, || match simulator.config().weather.get(&city) {
        Some(weather) => Json(named(weather, &city)).into_response(),
        None => {
            let cities: Vec<&String> = simulator.config().weather.keys().collect();
            let say = json!({ "ok": false, "say": "there is no weather for this city", "cities": cities });
            (StatusCode::NOT_FOUND, Json(say)).into_response()
        }
    });
    Ok(answered.await)
}
