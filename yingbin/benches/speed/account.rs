//! The account of the bench, its people, and their pushes: sealed before the clock runs, each another one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use runtime::clock::Clock;
use wechat::{
    Mode,
    envelope::AesKey,
    push::{Credentials, Format, seal},
};

/// Name of the account.
pub(crate) const NAME: &str = "bench";
/// Its AppId.
pub(crate) const APP_ID: &str = "wx0123456789abcdef";
/// Its token.
pub(crate) const TOKEN: &str = "bench-token";
/// Its `EncodingAESKey`.
pub(crate) const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// What gateway and content-service share.
pub(crate) const LINK_SECRET: &str = "bench-link-secret";
/// Pushes are sealed minutes before they are sent. A time that has not come yet is read as the time of arrival, so that each raises
/// its user's right when it comes.
const LATER_S: i64 = 3600;
/// Every user's openid begins so and goes on with the user's number.
const OPENID: &str = "oBench";

/// One sealed push as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// Number of the user.
    pub(crate) user: u64,
    /// The whole HTTP request.
    pub(crate) request: Vec<u8>,
}

/// Pushes in the order in which they are sent.
pub(crate) type Pushes = Arc<Vec<Push>>;

/// The openid of a user.
pub(crate) fn openid(user: u64) -> String {
    format!("{OPENID}{user:022}")
}

/// The user of an openid.
pub(crate) fn user(openid: &str) -> Option<u64> {
    openid.strip_prefix(OPENID)?.parse().ok()
}

/// What its pushes are sealed and opened with.
pub(crate) fn credentials() -> Result<Credentials> {
    Ok(Credentials {
        app_id: APP_ID.to_owned(),
        token: TOKEN.into(),
        previous_token: None,
        aes_key: Some(AesKey::parse(AES_KEY)?),
        previous_aes_key: None,
        mode: Mode::Safe,
    })
}

/// One text of each user, sealed in safe mode; no two pushes of a run have the same id.
pub(crate) fn pushes(users: impl IntoIterator<Item = u64>) -> Result<Pushes> {
    static MESSAGE_ID: AtomicU64 = AtomicU64::new(23_637_352_235_060_880);
    let (credentials, seconds) = (credentials()?, Clock::system().now_ms() / 1000);
    let acted = seconds + LATER_S;
    let sealed = users.into_iter().map(|user| {
        let id = MESSAGE_ID.fetch_add(1, Ordering::Relaxed);
        let document = format!(
            "<xml><ToUserName><![CDATA[gh_3f2a9c81d07e]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName>\
             <CreateTime>{acted}</CreateTime><MsgType><![CDATA[text]]></MsgType>\
             <Content><![CDATA[今天有什么新闻？]]></Content><MsgId>{id}</MsgId></xml>",
            openid(user)
        );
        let random = (u128::from(id) << 64 | u128::from(user)).to_be_bytes();
        let push = seal(&credentials, document.as_bytes(), Format::Xml, seconds, &id.to_string(), random)
            .context("the account has a key")?;
        let mut request = format!(
            "POST /wechat/{NAME}?{} HTTP/1.1\r\nHost: bench\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            push.query,
            push.content_type,
            push.body.len()
        )
        .into_bytes();
        request.extend_from_slice(&push.body);
        Ok(Push { user, request })
    });
    sealed.collect::<Result<Vec<_>>>().map(Arc::new)
}
