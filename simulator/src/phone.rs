//! The phone page: files that are part of the binary.

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use crate::world::Simulator;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Address, media type and content of what the page loads.
const FILES: &[(&str, &str, &str)] = &[
    ("/phone/page.css", CSS, include_str!("phone/page.css")),
    ("/phone/phone.css", CSS, include_str!("phone/phone.css")),
    ("/phone/backstage.css", CSS, include_str!("phone/backstage.css")),
    ("/phone/app.js", JS, include_str!("phone/app.js")),
    ("/phone/api.js", JS, include_str!("phone/api.js")),
    ("/phone/dom.js", JS, include_str!("phone/dom.js")),
    ("/phone/phone.js", JS, include_str!("phone/phone.js")),
    ("/phone/messages.js", JS, include_str!("phone/messages.js")),
    ("/phone/backstage.js", JS, include_str!("phone/backstage.js")),
    ("/phone/decision.js", JS, include_str!("phone/decision.js")),
    ("/phone/person.js", JS, include_str!("phone/person.js")),
];

/// The page loads from itself only; pictures may lie on this machine.
const POLICY: &str = "default-src 'self'; img-src 'self' data: http://127.0.0.1:* http://localhost:*";

/// `GET /` and what it loads.
pub(crate) fn routes() -> Router<Simulator> {
    let page =
        || async { ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("phone/index.html"))) };
    FILES.iter().fold(Router::new().route("/", get(page)), |routes, (path, kind, content)| {
        routes.route(path, get(|| async { ([(header::CONTENT_TYPE, *kind)], *content).into_response() }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_what_is_there_and_nothing_from_outside() {
        let page = include_str!("phone/index.html");
        let all = FILES.iter().map(|(_, _, content)| *content).chain([page]);
        for content in all {
            for outside in ["src=\"http", "href=\"http", "@import", "url(http", "from \"http"] {
                assert!(!content.contains(outside), "{outside}");
            }
        }
        for (path, kind, _) in FILES {
            let named = path.rsplit('/').next().unwrap();
            let loaded = FILES.iter().any(|(_, _, content)| content.contains(&format!("\"./{named}\"")));
            assert!(page.contains(path) || (*kind == JS && loaded), "{path} is never loaded");
        }
    }
}
