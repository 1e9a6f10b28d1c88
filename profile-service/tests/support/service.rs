//! The whole service on free ports, with a mock cluster for Kafka.

use std::time::Duration;

use profile_service::{Config, Listeners, config::Grpc, serve};
use proto::profile::profile_service_client::ProfileServiceClient;
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};
use runtime::{
    clock::Clock,
    kafka::{GroupProtocol, Kafka},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use super::redis::Server;

pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

pub(crate) fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for topic in [proto::ACTIVITY.name, proto::DLQ.name] {
        cluster.create_topic(topic, 2, 1).expect("a new topic");
    }
    cluster
}

pub(crate) fn kafka(cluster: &Cluster) -> Kafka {
    Kafka {
        bootstrap: cluster.bootstrap_servers(),
        namespace: String::new(),
        group_protocol: GroupProtocol::Consumer,
        properties: Vec::new(),
        consumer_properties: vec![("fetch.wait.max.ms".into(), "10".into())],
    }
}

pub(crate) struct Service {
    pub(crate) clock: Clock,
    pub(crate) endpoint: Endpoint,
    pub(crate) channel: Channel,
    admin: String,
    shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    pub(crate) async fn start(redis: &Server, kafka: Kafka) -> Self {
        Self::reflecting(redis, kafka, true).await
    }

    pub(crate) async fn reflecting(redis: &Server, kafka: Kafka, reflection: bool) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let config = Config {
            grpc: Grpc { reflection, ..Grpc::on(any) },
            admin_listen: any,
            kafka,
            redis: redis.config(),
            cache_bytes: 1 << 20,
        };
        let listeners = Listeners {
            grpc: TcpListener::bind(any).await.unwrap(),
            admin: TcpListener::bind(any).await.unwrap(),
        };
        let admin = listeners.admin.local_addr().unwrap().to_string();
        let address = format!("http://{}", listeners.grpc.local_addr().unwrap());
        let (clock, shutdown) = (Clock::system(), CancellationToken::new());
        let serving = tokio::spawn(serve(config, listeners, clock.clone(), shutdown.clone()));
        let endpoint = Endpoint::from_shared(address).unwrap();
        let channel = endpoint.connect_lazy();
        Self { clock, endpoint, channel, admin, shutdown, serving }
    }

    pub(crate) fn client(&self) -> ProfileServiceClient<Channel> {
        ProfileServiceClient::new(self.channel.clone())
    }

    /// The whole answer of the admin port.
    pub(crate) async fn http(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// The value of a metric, 0 before it is there.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let metrics = self.http("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(15), self.serving).await;
        ended.expect("it ends in time").expect("no panic").expect("in order");
    }
}

/// Waits until `holds`, for at most 20 seconds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let wait = async {
        while !holds().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
