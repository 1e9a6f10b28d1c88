//! Redis over TLS: who is trusted, what is said when somebody is not, and certificates that change while calls are made.

use std::time::Duration;

use redis::cmd;
use runtime::{
    redis::{Redis, RedisConfig, RedisError},
    tls::TlsFiles,
};

use crate::support::{
    authority::{Authority, EXPIRED, GOOD},
    processes::until,
    secure::{Certificates, hang_up},
};

/// Longest wait for a connection, or for the reason why there is none.
const PATIENCE: Duration = Duration::from_secs(20);

fn client(to: &Certificates, tls: TlsFiles) -> Redis {
    let url = format!("rediss://127.0.0.1:{}", to.port);
    Redis::new(&RedisConfig { tls, ..RedisConfig::new(url, Duration::from_millis(100)) }, "").unwrap()
}

async fn answers(redis: &Redis) {
    until("redis answers", PATIENCE, async || redis.query::<()>(&cmd("PING")).await.ok()).await;
}

/// What is said once it is known why there is no connection.
async fn refused(redis: &Redis) -> String {
    let told = async || match redis.query::<()>(&cmd("PING")).await {
        Err(RedisError::Away(cause)) if cause.starts_with("TLS: ") || cause.starts_with("redis.") => {
            Some(cause)
        }
        Err(_) => None,
        Ok(()) => panic!("redis answered"),
    };
    until("the cause is told", PATIENCE, told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_authority_vouches_for_is_spoken_to_and_nobody_else() {
    let to = Certificates::new();
    let server = to.server("no").await;
    answers(&client(&to, to.trusting(&to.authority))).await;
    let told = refused(&client(&to, to.trusting(&Authority::new()))).await;
    assert!(told.contains("UnknownIssuer") && told.contains("none of redis.ca"), "{told}");
    let told = refused(&client(&to, TlsFiles::default())).await;
    assert!(told.contains("UnknownIssuer"), "the public authorities do not: {told}");
    to.shows(&server, &to.authority, EXPIRED).await;
    let told = refused(&client(&to, to.trusting(&to.authority))).await;
    assert!(told.contains("expired: have it renewed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_gets_the_own_one_and_what_it_does_not_take_is_told() {
    let to = Certificates::new();
    let _server = to.server("yes").await;
    let told = refused(&client(&to, to.trusting(&to.authority))).await;
    assert!(told.contains("set redis.certificate and redis.key"), "{told}");
    let told = refused(&client(&to, to.showing(&Authority::new(), GOOD))).await;
    assert!(told.contains("the server does not take redis.certificate"), "{told}");
    answers(&client(&to, to.showing(&to.authority, GOOD))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_change_are_used_for_new_connections_and_bad_ones_replace_nothing() {
    let to = Certificates::new();
    let server = to.server("yes").await;
    let redis = client(&to, to.showing(&to.authority, GOOD));
    answers(&redis).await;

    // A certificate without its key, as between the two steps of a rotation: nothing changes.
    to.files.write("own.pem", &to.authority.vouches(GOOD).0);
    hang_up(&server).await;
    answers(&redis).await;

    // All new: the authority, what the server shows, what the client shows.
    let next = Authority::new();
    to.trusted("ca", &next);
    to.shows(&server, &next, GOOD).await;
    hang_up(&server).await;
    let told = refused(&redis).await;
    assert!(told.contains("redis.key: is not of the certificate"), "{told}");
    to.showing(&next, GOOD);
    to.trusting(&next);
    answers(&redis).await;
}
