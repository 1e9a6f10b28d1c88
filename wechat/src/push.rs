//! Pushes: verified and opened on the way in, read into kinds, sealed on the way out.

mod action;
mod credentials;
mod decode;
mod identity;
mod kind;
mod open;
mod outer;
pub(crate) mod query;
mod refusal;
mod reply;
mod seal;

pub use credentials::Credentials;
pub use decode::{Decoded, Form, Keys, decode};
pub use kind::{Entrance, Kind, Push};
pub use open::{Opened, open, verify_url};
pub use outer::encrypted_part;
pub use query::Query;
pub use refusal::Refusal;
pub use reply::seal_reply;
pub use seal::{Format, SealError, SealedPush, seal, seal_url_check};
