//! All addresses of the simulator.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post};
use tokio_util::sync::CancellationToken;

use crate::world::Simulator;
use crate::{control, nowhere, phone, platform, sources, stream, tap};

/// The routes over one platform; streams end with `shutdown`.
pub(crate) fn routes(simulator: Simulator, shutdown: CancellationToken) -> Router {
    let platform = Router::new()
        .route("/cgi-bin/token", get(platform::plain_token))
        .route("/cgi-bin/stable_token", post(platform::stable_token))
        .route("/cgi-bin/message/custom/send", any(platform::send));
    let control = Router::new()
        .route("/sim/push", post(control::push))
        .route("/sim/act", post(control::act))
        .route("/sim/tap", post(tap::tap))
        .route("/sim/pushes", get(control::pushes))
        .route("/sim/messages", get(control::messages))
        .route("/sim/sends", get(control::sends))
        .route("/sim/accounts", get(control::accounts))
        .route("/sim/credentials", post(control::change_credentials))
        .route("/sim/people", get(control::people).post(control::add_person))
        .route("/sim/clock", get(control::clock).post(control::move_clock))
        .route("/sim/faults", get(control::faults).post(control::script).delete(control::clear_faults))
        .route("/sim/sources/weather", get(sources::weather))
        .route("/sim/stream", get(move |state, query| stream::stream(state, query, shutdown.clone())));
    platform
        .merge(control)
        .merge(phone::routes())
        .route("/livez", get(|| async { "ok" }))
        .fallback(nowhere::unknown_path)
        .method_not_allowed_fallback(nowhere::wrong_method)
        .layer(DefaultBodyLimit::max(16 * 1024 * 1024))
        .with_state(simulator)
}
