//! The few answers that are not `success`, and the small pages for a reader whose link leads nowhere.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::address::Address;

/// What every handler answers.
pub(crate) type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
const NOSNIFF: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// Plain text; never sniffed into something a browser would run.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    answer.headers_mut().insert(NOSNIFF.0, NOSNIFF.1);
    answer
}

/// Leads to `address`, telling it nothing of where the reader came from.
pub(crate) fn redirect(address: &Address) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FOUND;
    answer.headers_mut().insert(header::LOCATION, address.header());
    private(&mut answer);
    answer
}

/// The item is not there any more, or never was.
pub(crate) fn gone() -> Answer {
    page(StatusCode::NOT_FOUND, "这篇内容已经下线", "它可能已经过期，或者已被撤下。", None)
}

/// The link is too old; `home` is where the reader can go instead.
pub(crate) fn expired(home: Option<&Address>) -> Answer {
    page(StatusCode::GONE, "这个链接已经过期", "回到会话里，就能看到最新的内容。", home)
}

fn page(status: StatusCode, title: &str, line: &str, home: Option<&Address>) -> Answer {
    let home =
        home.map_or_else(String::new, |home| format!("<p><a href=\"{}\">去首页看看</a></p>", home.in_html()));
    let html = format!(
        "<!DOCTYPE html><html lang=\"zh-CN\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>body{{font:17px/1.7 system-ui,sans-serif;color:#333;max-width:22em;margin:24vh auto 0;\
         padding:0 1.5em;text-align:center}}h1{{font-size:1.3em}}a{{color:#576b95}}</style>\
         <h1>{title}</h1><p>{line}</p>{home}</html>\n"
    );
    let mut answer = Response::new(Full::new(html.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HTML);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CSP);
    answer.headers_mut().insert(NOSNIFF.0, NOSNIFF.1);
    private(&mut answer);
    answer
}

fn private(answer: &mut Answer) {
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
