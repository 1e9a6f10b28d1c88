//! The handler that a competent engineer writes in an afternoon: axum, verify, decrypt, parse with quick-xml and serde,
//! produce. Nothing of this project is in it.

use std::{sync::Arc, time::Duration};

use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::NoPadding};
use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::StatusCode,
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use tokio_util::sync::CancellationToken;

use super::{Settings, announce, any_port, bare, until};
use crate::account;

struct App {
    token: String,
    key: [u8; 32],
    app_id: String,
    producer: FutureProducer,
    topic: String,
}

#[derive(Deserialize)]
struct Signed {
    timestamp: String,
    nonce: String,
    msg_signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    encrypt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    to_user_name: String,
    from_user_name: String,
    create_time: i64,
    msg_type: String,
    content: Option<String>,
    msg_id: Option<u64>,
    event: Option<String>,
    event_key: Option<String>,
}

pub(super) async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let key = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    )
    .decode(format!("{}=", account::AES_KEY))?;
    let app = Arc::new(App {
        token: account::TOKEN.to_owned(),
        key: key.try_into().ok().context("the key has 32 bytes")?,
        app_id: account::APP_ID.to_owned(),
        producer: bare::producer(&settings.bootstrap)?,
        topic: format!("{}{}", settings.namespace, proto::EVENTS.name),
    });
    let router = Router::new().route("/wechat/{account}", post(receive)).with_state(app);
    let listener = any_port().await?;
    announce(Some(&listener), None)?;
    until(shutdown, async { Ok(axum::serve(listener, router).await?) }).await
}

async fn receive(
    State(app): State<Arc<App>>,
    Query(signed): Query<Signed>,
    body: Bytes,
) -> Result<&'static str, StatusCode> {
    let message = open(&app, &signed, &body).ok_or(StatusCode::FORBIDDEN)?;
    let value = serde_json::to_vec(&message).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let key = format!("{}:{}", app.app_id, message.from_user_name);
    let record = FutureRecord::to(&app.topic).key(&key).payload(&value);
    let sent = app.producer.send(record, Duration::ZERO).await;
    sent.map(|_| "success").map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

fn open(app: &App, signed: &Signed, body: &[u8]) -> Option<Message> {
    let envelope: Envelope = quick_xml::de::from_str(std::str::from_utf8(body).ok()?).ok()?;
    let mut parts = [&app.token, &signed.timestamp, &signed.nonce, &envelope.encrypt];
    parts.sort();
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part.as_bytes()));
    if hex::encode(hash.finalize()) != signed.msg_signature {
        return None;
    }
    let mut bytes = STANDARD.decode(envelope.encrypt).ok()?;
    let cipher = cbc::Decryptor::<aes::Aes256>::new(&app.key.into(), app.key.first_chunk::<16>()?.into());
    let plain = cipher.decrypt_padded::<NoPadding>(&mut bytes).ok()?;
    let plain = &plain[..plain.len().checked_sub(usize::from(*plain.last()?))?];
    let length = u32::from_be_bytes(*plain.get(16..)?.first_chunk()?) as usize;
    let (document, app_id) = plain.get(20..)?.split_at_checked(length)?;
    if app_id != app.app_id.as_bytes() {
        return None;
    }
    quick_xml::de::from_str(std::str::from_utf8(document).ok()?).ok()
}
