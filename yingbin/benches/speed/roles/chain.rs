//! The bare chain of the same hops: HTTP → Kafka (role `bare`) → gRPC → Redis GET and SET → HTTP. Nothing is decided, nothing kept.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use proto::{
    event::Event,
    profile::{
        EnrichRequest, EnrichResponse, Enrichment,
        profile_service_client::ProfileServiceClient,
        profile_service_server::{ProfileService, ProfileServiceServer},
    },
};
use rdkafka::{Message as _, consumer::Consumer as _};
use redis::{AsyncCommands as _, IntoConnectionInfo as _, aio::MultiplexedConnection};
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint, Server},
};

use super::{Settings, announce, any_port, until};
use crate::{account, servers};

/// As many events at a time as content-service takes.
const EVENTS: usize = 256;
/// Bytes of a small profile.
const PROFILE: usize = 300;

pub(super) async fn profile(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let info = settings.redis.as_str().into_connection_info()?;
    let info = info.set_tcp_settings(redis::io::tcp::TcpSettings::default().set_nodelay(true));
    let connection = redis::Client::open(info)?.get_multiplexed_async_connection().await?;
    let listener = any_port().await?;
    announce(Some(&listener), None)?;
    let service = ProfileServiceServer::new(Bare { connection, namespace: settings.namespace });
    let serving = Server::builder()
        .tcp_nodelay(true)
        .add_service(service)
        .serve_with_incoming(TcpListenerStream::new(listener));
    until(shutdown, async { Ok(serving.await?) }).await
}

struct Bare {
    connection: MultiplexedConnection,
    namespace: String,
}

#[tonic::async_trait]
impl ProfileService for Bare {
    async fn enrich(&self, request: Request<EnrichRequest>) -> Result<Response<EnrichResponse>, Status> {
        let event = request.into_inner().event.unwrap_or_default();
        let key = format!("{}{}", self.namespace, event.openid);
        let mut connection = self.connection.clone();
        let away = |error: redis::RedisError| Status::unavailable(error.to_string());
        let value: Option<Vec<u8>> = connection.get(&key).await.map_err(away)?;
        let value = value.unwrap_or_else(|| vec![7; PROFILE]);
        connection.set::<_, _, ()>(&key, &value).await.map_err(away)?;
        Ok(Response::new(EnrichResponse { enrichment: Some(Enrichment::default()) }))
    }
}

struct Hops {
    profiles: ProfileServiceClient<Channel>,
    api: SocketAddr,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

pub(super) async fn content(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let profiles = settings.profiles.context("it needs profiles")?;
    let channel = Endpoint::from_shared(format!("http://{profiles}"))?.tcp_nodelay(true).connect().await?;
    let hops = Arc::new(Hops {
        profiles: ProfileServiceClient::new(channel),
        api: settings.api.context("it needs an api")?,
        idle: Mutex::default(),
    });
    let kafka = servers::kafka(&settings.bootstrap, &settings.namespace);
    let extra = [("enable.auto.commit", "true"), ("enable.auto.offset.store", "true")];
    let consumer = kafka.consumer("chain", &extra)?;
    consumer.subscribe(&[&kafka.topic(proto::EVENTS.name)])?;
    announce(None, None)?;
    let places = Arc::new(Semaphore::new(EVENTS));
    let consuming = async {
        loop {
            let place = Arc::clone(&places).acquire_owned().await?;
            let record = consumer.recv().await?;
            let openid = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
            let hops = Arc::clone(&hops);
            tokio::spawn(async move {
                if let Err(error) = hops.handle(openid).await {
                    eprintln!("the chain lost an event: {error:#}");
                }
                drop(place);
            });
        }
    };
    until::<()>(shutdown, consuming).await
}

impl Hops {
    async fn handle(&self, openid: String) -> Result<()> {
        let app_id = account::APP_ID.to_owned();
        let event = Event { app_id, openid: openid.clone(), ..Event::default() };
        let request = EnrichRequest { event: Some(event), told: Vec::new() };
        self.profiles.clone().enrich(request).await?;
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut sender = match kept {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        let text = "晚上好！今天的报纸给您放在门口了。".repeat(10);
        let body = format!(r#"{{"touser":"{openid}","msgtype":"text","text":{{"content":"{text}"}}}}"#);
        let request = hyper::Request::post("/cgi-bin/message/custom/send?access_token=bench")
            .header("host", self.api.to_string())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        anyhow::ensure!(answer.starts_with(b"{\"errcode\":0"), "the message was refused");
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        Ok(())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.api).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
