//! The least that a durable handler can do: axum, and the raw body into Kafka under the openid of the query.

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::post,
};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use tokio_util::sync::CancellationToken;

use super::{Settings, announce, any_port, until};

#[derive(Clone)]
struct Kafka {
    producer: FutureProducer,
    topic: String,
}

pub(super) async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let topic = format!("{}{}", settings.namespace, proto::EVENTS.name);
    let kafka = Kafka { producer: producer(&settings.bootstrap)?, topic };
    let router = Router::new().route("/wechat/{account}", post(receive)).with_state(kafka);
    let listener = any_port().await?;
    announce(Some(&listener), None)?;
    until(shutdown, async { Ok(axum::serve(listener, router).await?) }).await
}

/// As durable and as quick as it gets.
pub(super) fn producer(bootstrap: &str) -> Result<FutureProducer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("acks", "all").set("linger.ms", "0");
    Ok(config.create()?)
}

async fn receive(
    State(kafka): State<Kafka>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<&'static str, StatusCode> {
    let query = query.unwrap_or_default();
    let openid = query.split('&').find_map(|pair| pair.strip_prefix("openid=")).unwrap_or_default();
    let record = FutureRecord::to(&kafka.topic).key(openid).payload(&body[..]);
    let sent = kafka.producer.send(record, std::time::Duration::ZERO).await;
    sent.map(|_| "success").map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
