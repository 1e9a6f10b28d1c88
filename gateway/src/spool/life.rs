//! From the start of a gateway to its end: opens the spool, drains it, closes it last.

use std::sync::Arc;

use runtime::clock::Clock;
use tokio_util::sync::CancellationToken;

use super::{Ended, Spool, drain::drain};
use crate::{config, metrics::Metrics, parcel::Outlet};

/// Opens the spool that is configured; without one, says what that costs.
///
/// # Errors
/// The folder cannot be used; the error says what to do.
pub(crate) async fn open(
    settings: Option<config::Spool>,
    clock: &Clock,
    metrics: &Metrics,
) -> anyhow::Result<Option<(Arc<Spool>, Ended)>> {
    let Some(settings) = settings else {
        tracing::warn!(
            "no spool.dir: while kafka is away pushes are answered 503, and what the platform has repeated three times is lost"
        );
        return Ok(None);
    };
    let (clock, metrics) = (clock.clone(), metrics.spool.clone());
    tokio::task::spawn_blocking(move || Spool::open(&settings, clock, metrics)).await?.map(Some)
}

/// Drains until `shutdown`, and closes the files when all have their answers.
///
/// # Errors
/// The disk failed.
pub(crate) async fn run(
    spool: Arc<Spool>,
    outlet: Arc<Outlet>,
    mut disk: Ended,
    shutdown: CancellationToken,
    answered: CancellationToken,
) -> anyhow::Result<()> {
    let work = async {
        drain(&spool, &outlet, &shutdown).await;
        answered.cancelled().await;
        spool.close().await;
        std::future::pending().await
    };
    tokio::select! {
        ended = disk.wait() => ended,
        never = work => never,
    }
}
