//! The gRPC door: takes requests apart, counts and answers.

mod all;
mod import;
mod server;
mod status;

use std::{future::Future, sync::Arc};

use futures::stream::BoxStream;
use proto::profile::{
    EnrichAllRequest, EnrichAllResponse, EnrichRequest, EnrichResponse, EraseRequest, EraseResponse,
    GetRequest, GetResponse, ImportRequest, ImportResponse, RecordAllRequest, RecordAllResponse,
    RecordRequest, RecordResponse, Refusal, UpdateRequest, UpdateResponse, enrich_all_response,
    profile_service_server::ProfileService, record_all_response, record_request::What,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use crate::{
    metrics::Metrics,
    people::{Error, People},
};

pub(crate) use server::{serve, watch_store};

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    people: Arc<People>,
    metrics: Metrics,
    shutdown: CancellationToken,
}

impl Door {
    pub(crate) fn new(people: Arc<People>, metrics: Metrics, shutdown: CancellationToken) -> Self {
        Self { people, metrics, shutdown }
    }

    async fn answer<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<Response<T>, Status> {
        self.counted(method, call).await.map(Response::new)
    }

    async fn counted<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Status> {
        let started = Instant::now();
        let result = call.await;
        self.metrics.call(method, status::code_name(result.as_ref().err()), started.elapsed());
        result.map_err(|error| status::of(&error))
    }

    async fn enriched(&self, request: &EnrichRequest) -> Result<EnrichResponse, Status> {
        let call = async {
            let event = request.event.as_ref().ok_or_else(|| missing("event"))?;
            let enrichment = self.people.enrich(event, &request.told).await?;
            Ok(EnrichResponse { enrichment: Some(enrichment) })
        };
        self.counted("enrich", call).await
    }

    async fn recorded(&self, request: &RecordRequest) -> Result<RecordResponse, Status> {
        let call = async {
            match request.what.as_ref().ok_or_else(|| missing("what"))? {
                What::Activity(activity) => self.people.record_activity(activity).await,
                What::Shown(shown) => self.people.record_shown(shown).await,
            }
        };
        self.counted("record", call).await
    }
}

#[tonic::async_trait]
impl ProfileService for Door {
    async fn enrich(&self, request: Request<EnrichRequest>) -> Result<Response<EnrichResponse>, Status> {
        self.enriched(request.get_ref()).await.map(Response::new)
    }

    async fn enrich_all(
        &self,
        requests: Request<Streaming<EnrichAllRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<EnrichAllResponse, Status>>>, Status> {
        use enrich_all_response::Result as Told;
        let door = Arc::new(self.clone());
        let one = move |asked: EnrichAllRequest| {
            let (door, span) = (Arc::clone(&door), server::span("Enrich", Some(&asked.traceparent)));
            async move { door.enriched(&asked.request.unwrap_or_default()).await }.instrument(span)
        };
        let told = |number, answer: Result<_, _>| {
            let result = answer.map_or_else(|status| Told::Refusal(refusal(&status)), Told::Response);
            EnrichAllResponse { number, result: Some(result) }
        };
        Ok(Response::new(all::answered(requests.into_inner(), one, told)))
    }

    async fn record(&self, request: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        self.recorded(request.get_ref()).await.map(Response::new)
    }

    async fn record_all(
        &self,
        requests: Request<Streaming<RecordAllRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<RecordAllResponse, Status>>>, Status> {
        use record_all_response::Result as Told;
        let door = Arc::new(self.clone());
        let one = move |asked: RecordAllRequest| {
            let (door, span) = (Arc::clone(&door), server::span("Record", Some(&asked.traceparent)));
            async move { door.recorded(&asked.request.unwrap_or_default()).await }.instrument(span)
        };
        let told = |number, answer: Result<_, _>| {
            let result = answer.map_or_else(|status| Told::Refusal(refusal(&status)), Told::Response);
            RecordAllResponse { number, result: Some(result) }
        };
        Ok(Response::new(all::answered(requests.into_inner(), one, told)))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let customer = request.into_inner().customer;
        let call = async { Ok(GetResponse { profile: Some(self.people.get(customer.as_ref()).await?) }) };
        self.answer("get", call).await
    }

    async fn update(&self, request: Request<UpdateRequest>) -> Result<Response<UpdateResponse>, Status> {
        let request = request.into_inner();
        let call = async { Ok(UpdateResponse { version: self.people.update(&request).await? }) };
        self.answer("update", call).await
    }

    async fn import(
        &self,
        request: Request<Streaming<ImportRequest>>,
    ) -> Result<Response<ImportResponse>, Status> {
        let started = Instant::now();
        let imported = tokio::select! {
            imported = import::all(&self.people, request.into_inner()) => imported,
            () = self.shutdown.cancelled() => Err(Status::unavailable("the service is ending; import again")),
        };
        let code = imported.as_ref().map_or_else(|status| status.code(), |_| tonic::Code::Ok);
        self.metrics.call("import", status::name(code), started.elapsed());
        imported.map(Response::new)
    }

    async fn erase(&self, request: Request<EraseRequest>) -> Result<Response<EraseResponse>, Status> {
        let customer = request.into_inner().customer;
        let call = async { Ok(EraseResponse { existed: self.people.erase(customer.as_ref()).await? }) };
        self.answer("erase", call).await
    }
}

fn refusal(status: &Status) -> Refusal {
    Refusal { code: status.code().into(), message: status.message().to_owned() }
}

fn missing(field: &str) -> Error {
    Error::Invalid(format!("`{field}` is missing"))
}
