//! The gRPC door, over a real socket.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod support;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proto::{
    activity::Customer,
    profile::{
        EnrichAllRequest, EnrichRequest, EraseRequest, GetRequest, ImportRequest, Preference,
        RecordAllRequest, RecordRequest, Shown, Stance, Trait, TraitSource, UpdateRequest,
        enrich_all_response, profile_service_client::ProfileServiceClient, record_all_response,
        record_request::What,
    },
};
use support::{
    THEN, by_card, by_user, card, clicked, entered, in_time, purchase,
    redis::Server,
    service::{Service, cluster, kafka, until},
    spans::Spans,
    user,
};
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const NAME: &str = "yingbin.profile.v1.ProfileService";

fn enrich(event: proto::event::Event) -> EnrichRequest {
    EnrichRequest { event: Some(event), told: Vec::new() }
}

fn city(openid: &str, value: &str) -> UpdateRequest {
    let city = Trait { name: "city".into(), value: value.into(), ..Trait::default() };
    UpdateRequest { user: Some(user(openid)), traits: vec![city], ..UpdateRequest::default() }
}

async fn started() -> (Server, support::service::Cluster, Service) {
    let (redis, cluster) = (Server::start().await, cluster());
    let service = Service::start(&redis, kafka(&cluster)).await;
    (redis, cluster, service)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_learned_shown_updated_looked_up_and_forgotten() {
    let (_redis, _cluster, service) = started().await;
    let (mut client, now_ms) = (service.client(), service.clock.now_ms());

    let mut update = city("o1", "杭州");
    update.external_ids = vec![card("42")];
    let drop = Preference { topic: "leaders".into(), stance: Stance::Drop.into(), source: 2, at_ms: THEN };
    update.preferences = vec![drop];
    assert_eq!(client.update(update).await.unwrap().into_inner().version, 1);

    let mut request = enrich(clicked("e1", "o1", now_ms, "taiwan"));
    request.told = vec![Trait { name: "city".into(), value: "奎屯".into(), ..Trait::default() }];
    let enrichment = client.enrich(request).await.unwrap().into_inner().enrichment.unwrap();
    let profile = enrichment.profile.unwrap();
    assert!(enrichment.visit_started);
    assert_eq!((profile.version, profile.user, profile.tastes.len()), (2, Some(user("o1")), 1));
    assert_eq!((profile.traits[0].value.as_str(), profile.traits[0].source()), ("奎屯", TraitSource::Asked));

    let shown = Shown {
        id: "e1:shown".into(),
        user: Some(user("o1")),
        at_ms: now_ms,
        item_ids: vec!["item-7".into()],
        asked_trait: "seat.side".into(),
    };
    let what = |what| RecordRequest { what: Some(what) };
    let recorded = client.record(what(What::Shown(shown.clone()))).await.unwrap().into_inner();
    assert_eq!((recorded.version, recorded.applied), (3, true));
    let again = client.record(what(What::Shown(shown))).await.unwrap().into_inner();
    assert_eq!((again.version, again.applied), (3, false));
    let bought = What::Activity(purchase("p1", by_card("42"), THEN));
    assert_eq!(client.record(what(bought)).await.unwrap().into_inner().version, 4);

    let got = client.get(GetRequest { customer: by_card("42") }).await.unwrap().into_inner();
    let profile = got.profile.unwrap();
    assert_eq!((profile.asked.len(), profile.activities.len(), profile.applied.len()), (1, 1, 3));
    assert_eq!(
        profile.seen.iter().map(|seen| seen.item_id.as_str()).collect::<Vec<_>>(),
        ["item-7", "item-taiwan"]
    );

    let erase = EraseRequest { customer: by_user("o1") };
    assert!(client.erase(erase.clone()).await.unwrap().into_inner().existed);
    assert!(!client.erase(erase).await.unwrap().into_inner().existed);
    let gone = client.get(GetRequest { customer: by_user("o1") }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_records_are_learned_from_each_for_itself() {
    let (_redis, _cluster, service) = started().await;
    let mut client = service.client();
    let shown =
        |id: &str| Shown { id: id.to_owned(), user: Some(user("o1")), at_ms: THEN, ..Shown::default() };
    let requests = [shown("e1:shown"), Shown::default(), shown("e2:shown"), shown("e1:shown")];
    let requests = requests.map(|shown| {
        let request = Some(RecordRequest { what: Some(What::Shown(shown)) });
        RecordAllRequest { request, ..RecordAllRequest::default() }
    });

    let mut told = BTreeMap::new();
    let mut answers = client.record_all(tokio_stream::iter(requests)).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        let answered = match answer.result.unwrap() {
            record_all_response::Result::Response(response) => Ok(response.applied),
            record_all_response::Result::Refusal(refusal) => Err(Code::from(refusal.code)),
        };
        told.insert(answer.number, answered);
    }
    // Two of one user may be learned from in either order.
    let repeated = [told.remove(&0), told.remove(&3)];
    assert!(
        [[true, false], [false, true]].map(|both| both.map(|applied| Some(Ok(applied)))).contains(&repeated)
    );
    assert_eq!(told, BTreeMap::from([(1, Err(Code::InvalidArgument)), (2, Ok(true))]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_his_answers_holds_nobody_up() {
    let (_redis, _cluster, service) = started().await;
    let people = || (0..64).map(|n| format!("o{n}"));
    let asked = people().map(|openid| {
        let request = Some(enrich(entered(&format!("{openid}/1"), &openid, THEN)));
        EnrichAllRequest { request, ..EnrichAllRequest::default() }
    });
    let narrow = service.endpoint.clone().initial_stream_window_size(1).connect_lazy();
    let mut lazy = ProfileServiceClient::new(narrow);
    let unread = lazy.enrich_all(tokio_stream::iter(asked.collect::<Vec<_>>())).await.unwrap();
    let enriched = "profile_calls_total{method=\"enrich\",code=\"ok\"}";
    until("all are learned from", || async { service.metric(enriched).await >= 64.0 }).await;
    for openid in people() {
        let again = enrich(entered(&format!("{openid}/2"), &openid, THEN));
        service.client().enrich(again).await.unwrap();
    }
    drop(unread);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_with_the_trace_of_its_caller() {
    let spans = Spans::collected();
    let (_redis, _cluster, service) = started().await;
    let ours = "0af7651916cd43dd8448eb211c80319c";
    let mut request = Request::new(enrich(entered("e1", "o1", THEN)));
    let header = format!("00-{ours}-b7ad6b7169203331-01").parse().unwrap();
    request.metadata_mut().insert("traceparent", header);
    service.client().enrich(request).await.unwrap();
    service.client().get(GetRequest { customer: by_user("o1") }).await.unwrap();
    let other = "11111111111111111111111111111111";
    let one = EnrichAllRequest {
        request: Some(enrich(entered("e2", "o1", THEN))),
        traceparent: format!("00-{other}-b7ad6b7169203331-01"),
    };
    let answers = service.client().enrich_all(tokio_stream::iter([one])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    assert!(matches!(answer.result, Some(enrich_all_response::Result::Response(_))), "{answer:?}");
    let traced = |trace: &str, path| spans.rpcs().iter().any(|rpc| rpc.0 == trace && rpc.1.ends_with(path));
    assert!(traced(ours, "/Enrich"), "{:?}", spans.rpcs());
    assert!(traced(other, "Enrich"), "one of several has a trace of its own");
    assert!(!traced(ours, "/Get"), "without a header it is a trace of its own");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_name_nobody_are_told_so() {
    let (_redis, _cluster, service) = started().await;
    let mut client = service.client();
    let code = |result: Result<_, tonic::Status>| {
        result.map(|_: ()| Code::Ok).unwrap_or_else(|status| status.code())
    };

    for event in [entered("", "o1", THEN), entered("e1", "", THEN)] {
        assert_eq!(code(client.enrich(enrich(event)).await.map(drop)), Code::InvalidArgument);
    }
    assert_eq!(code(client.enrich(EnrichRequest::default()).await.map(drop)), Code::InvalidArgument);
    assert_eq!(code(client.record(RecordRequest::default()).await.map(drop)), Code::InvalidArgument);
    let nameless = What::Activity(purchase("p1", Some(Customer::default()), THEN));
    assert_eq!(
        code(client.record(RecordRequest { what: Some(nameless) }).await.map(drop)),
        Code::InvalidArgument
    );
    assert_eq!(code(client.get(GetRequest::default()).await.map(drop)), Code::InvalidArgument);
    assert_eq!(code(client.update(city("o1", &"x".repeat(401))).await.map(drop)), Code::InvalidArgument);
    assert_eq!(code(client.update(city("o1", &"x".repeat(300_000))).await.map(drop)), Code::OutOfRange);
    assert_eq!(code(client.get(GetRequest { customer: by_user("o1") }).await.map(drop)), Code::NotFound);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_takes_what_it_can_and_tells_the_rest() {
    let (_redis, _cluster, service) = started().await;
    let mut client = service.client();
    let lines = (0..1_000).map(|n| {
        let update = match n % 10 {
            3 => UpdateRequest::default(),
            4 => city("same", &n.to_string()),
            _ => city(&format!("o{n}"), "杭州"),
        };
        ImportRequest { update: Some(update) }
    });
    let answer = client.import(tokio_stream::iter(lines)).await.unwrap().into_inner();
    assert_eq!((answer.imported, answer.refused, answer.refusals.len()), (900, 100, 100));
    assert_eq!(
        (answer.refusals[0].number, answer.refusals[0].reason.as_str()),
        (4, "a user or an external id is needed")
    );
    let got = client.get(GetRequest { customer: by_user("same") }).await.unwrap().into_inner();
    assert_eq!(got.profile.unwrap().traits[0].value, "994", "lines of one user hold in their order");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_outlives_a_restart_of_redis() {
    let (mut redis, _cluster, service) = started().await;
    let (mut client, trips) = (service.client(), || service.metric("profile_redis_round_trips_total"));
    until("redis is there", || async { service.metric("profile_store_ready").await > 0.0 }).await;
    redis.kill();
    let before = trips().await;
    let lines = (0..50).map(|n| ImportRequest { update: Some(city(&format!("o{n}"), "杭州")) });
    let importing = tokio::spawn(async move { client.import(tokio_stream::iter(lines)).await });
    until("the import tries", || async { trips().await > before + 32.0 }).await;
    redis.start_again().await;
    let answer = importing.await.unwrap().unwrap().into_inner();
    assert_eq!((answer.imported, answer.refused), (50, 0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_tried_again_never_overtakes_the_next_of_its_user() {
    let (mut redis, _cluster, service) = started().await;
    let (mut client, trips) = (service.client(), || service.metric("profile_redis_round_trips_total"));
    until("redis is there", || async { service.metric("profile_store_ready").await > 0.0 }).await;
    redis.kill();
    let before = trips().await;
    let (lines, stream) = tokio::sync::mpsc::channel(2);
    let line = |city_now: &str| ImportRequest { update: Some(city("o1", city_now)) };
    lines.send(line("杭州")).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let importing = tokio::spawn(async move { client.import(stream).await });
    until("the first line is tried", || async { trips().await > before + 6.0 }).await;
    redis.start_again().await;
    lines.send(line("奎屯")).await.unwrap();
    drop(lines);
    assert_eq!(importing.await.unwrap().unwrap().into_inner().imported, 2);
    let got = service.client().get(GetRequest { customer: by_user("o1") }).await.unwrap().into_inner();
    assert_eq!(got.profile.unwrap().traits[0].value, "奎屯");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_under_way_does_not_hold_up_the_end() {
    let (_redis, _cluster, service) = started().await;
    let mut client = service.client();
    let first = ImportRequest { update: Some(city("o1", "杭州")) };
    let endless = tokio_stream::StreamExt::chain(tokio_stream::once(first), tokio_stream::pending());
    let importing = tokio::spawn(async move { client.import(endless).await });
    let taken = async || service.client().get(GetRequest { customer: by_user("o1") }).await.is_ok();
    until("the import is under way", taken).await;
    service.stop().await;
    assert_eq!(importing.await.unwrap().unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_away_is_unavailable_in_time_and_health_says_so() {
    let (mut redis, _cluster, service) = started().await;
    let (mut client, health) = (service.client(), HealthClient::new(service.channel.clone()));
    let is = |status: ServingStatus| {
        let mut health = health.clone();
        async move {
            let request = HealthCheckRequest { service: NAME.into() };
            health.check(request).await.is_ok_and(|answer| answer.into_inner().status() == status)
        }
    };
    until("serving", || is(ServingStatus::Serving)).await;
    client.enrich(enrich(entered("e1", "o1", THEN))).await.unwrap();

    redis.kill();
    let mut took = Vec::new();
    for n in 0..5 {
        let started = Instant::now();
        let status = client.enrich(enrich(entered(&format!("away-{n}"), "o1", THEN))).await.unwrap_err();
        took.push(started.elapsed());
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.message().contains("redis"), "insides stay inside: {}", status.message());
    }
    in_time(&took, Duration::from_millis(150));
    until("not serving", || is(ServingStatus::NotServing)).await;
    redis.start_again().await;
    until("serving again", || is(ServingStatus::Serving)).await;
    client.enrich(enrich(entered("e2", "o1", THEN))).await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_the_service_in_both_versions() {
    let (_redis, _cluster, service) = started().await;
    {
        use tonic_reflection::pb::v1::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest,
        };
        let list = MessageRequest::ListServices(String::new());
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let mut client = ServerReflectionClient::new(service.channel.clone());
        let mut answers =
            client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().expect("an answer");
        assert!(format!("{answer:?}").contains(NAME));
    }
    {
        use tonic_reflection::pb::v1alpha::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest,
        };
        let list = MessageRequest::FileContainingSymbol(NAME.into());
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let mut client = ServerReflectionClient::new(service.channel.clone());
        let mut answers =
            client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
        assert!(answers.message().await.is_ok_and(|answer| answer.is_some()));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_reflection_nobody_is_told_what_can_be_called_and_all_else_goes_on() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    };
    let (redis, cluster) = (Server::start().await, cluster());
    let service = Service::reflecting(&redis, kafka(&cluster), false).await;
    let asked = tokio_stream::once(ServerReflectionRequest::default());
    let refused =
        ServerReflectionClient::new(service.channel.clone()).server_reflection_info(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    service.client().enrich(enrich(entered("e1", "o1", THEN))).await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_without_kafka_and_shows_its_metrics() {
    let redis = Server::start().await;
    let cluster = cluster();
    cluster.broker_down(1).unwrap();
    let service = Service::start(&redis, kafka(&cluster)).await;
    service.client().enrich(enrich(entered("e1", "o1", THEN))).await.unwrap();
    until("ready", || async { service.http("/readyz").await.starts_with("HTTP/1.1 200") }).await;
    let metrics = service.http("/metrics").await;
    for line in [
        "profile_calls_total{method=\"enrich\",code=\"ok\"} 1",
        "profile_store_ready 1",
        "profile_redis_round_trips_total ",
        "profile_call_seconds_count{method=\"enrich\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    service.stop().await;
}
