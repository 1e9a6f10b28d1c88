//! What happens, as server-sent events, for the phone.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::StreamExt;
use futures::stream::Stream;
use serde::Deserialize;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;

use crate::control::{ControlError, Searched};
use crate::record::Happening;
use crate::world::Simulator;

/// Query of the stream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    openid: Option<String>,
}

/// `GET /sim/stream?openid=…`: `ready`, then `message` and `push` from now on; `lagged` when the listener was too slow.
pub(crate) async fn stream(
    State(simulator): State<Simulator>,
    listener: Searched<Listener>,
    shutdown: CancellationToken,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ControlError> {
    let listener = listener?.0;
    let happenings = BroadcastStream::new(simulator.record().happenings());
    let events = happenings.filter_map(move |happening| {
        let event = match happening {
            Ok(happening) => wanted(&happening, listener.openid.as_deref()).then(|| event(&happening)),
            Err(_) => Some(Event::default().event("lagged").data("{}")),
        };
        std::future::ready(event.map(Ok))
    });
    let hello = futures::stream::once(std::future::ready(Ok(Event::default().event("ready").data("{}"))));
    let events = Sse::new(hello.chain(events).take_until(shutdown.cancelled_owned()));
    Ok(events.keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn wanted(happening: &Arc<Happening>, openid: Option<&str>) -> bool {
    let whose = match &**happening {
        Happening::Message(arrival) => &arrival.openid,
        Happening::Push(push) => &push.openid,
    };
    openid.is_none_or(|openid| openid == whose)
}

fn event(happening: &Happening) -> Event {
    let (name, data) = match happening {
        Happening::Message(arrival) => ("message", serde_json::to_string(arrival)),
        Happening::Push(push) => ("push", serde_json::to_string(push)),
    };
    Event::default().event(name).data(data.unwrap_or_default())
}
