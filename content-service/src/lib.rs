//! Decides, assembles and delivers each user's own reply; owner of the catalogue and of the delivery ledger.
//!
//! `playbook`, `catalogue` and `decide` are the pure core; the way of an event through the rooms is in `handle`.

pub mod accounts;
pub mod assignment;
pub mod breaker;
pub mod case;
pub mod catalogue;
pub mod config;
pub mod consume;
pub mod decide;
pub mod deliver;
pub mod enrich;
pub mod erasures;
pub mod gather;
pub mod handle;
pub mod intake;
pub mod lanes;
pub mod ledger;
pub mod metrics;
pub mod places;
pub mod playbook;
pub mod profiles;
pub mod publish;
pub mod record;
pub mod rights;
mod serve;
pub mod shown;
pub mod stops;
pub mod tokens;
pub mod watchdog;
pub mod watermark;

pub use config::Config;
pub use serve::{Listeners, serve};
