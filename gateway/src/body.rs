//! Reads the body of a push under its two bounds: 64 KiB and two seconds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::report::Failure;

/// Largest body; the platform's own are a few KiB, compatible mode included.
const MAX_BYTES: usize = 64 * 1024;
/// From the headers to the end of the body.
pub(crate) const WITHIN: Duration = Duration::from_secs(2);
/// So much of a body that is too large is read and thrown away, so that the sender reads the answer and not a reset.
const THROWN_AWAY: usize = 16 * 1024 * 1024;

/// The whole body; without a copy when it came in one piece.
pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Failure> {
    if body.size_hint().lower() > MAX_BYTES as u64 {
        throw_away(body);
        return Err(Failure::TooLarge);
    }
    let read = timeout(WITHIN, collect(&mut body)).await.unwrap_or(Err(Failure::BodyLate));
    if matches!(read, Err(Failure::TooLarge)) {
        throw_away(body);
    }
    read
}

async fn collect(body: &mut Incoming) -> Result<Bytes, Failure> {
    let first = next(body).await?.unwrap_or_default();
    if body.is_end_stream() {
        return within_size(first.len()).map(|()| first);
    }
    let mut all = BytesMut::from(first);
    while let Some(more) = next(body).await? {
        within_size(all.len() + more.len())?;
        all.extend_from_slice(&more);
    }
    within_size(all.len()).map(|()| all.freeze())
}

fn within_size(bytes: usize) -> Result<(), Failure> {
    if bytes <= MAX_BYTES { Ok(()) } else { Err(Failure::TooLarge) }
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    match body.frame().await {
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(_)) => Err(Failure::BodyCut),
        None => Ok(None),
    }
}

/// Reads on beside the answer, for as long and as much as a slow sender of a large body is worth.
fn throw_away(mut body: Incoming) {
    tokio::spawn(timeout(WITHIN, async move {
        let mut left = THROWN_AWAY;
        while let Ok(Some(bytes)) = next(&mut body).await
            && bytes.len() <= left
        {
            left -= bytes.len();
        }
    }));
}
