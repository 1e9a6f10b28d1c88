//! The contracts: protobuf messages, event headers, record keys, topics and signed links.
//!
//! Whoever consumes the topics needs this crate or the `.proto` files beside it, and nothing else of the project.

mod dead_letter;
mod headers;
mod identity;
mod kind;
mod link;
mod topics;

pub use dead_letter::DeadLetter;
pub use headers::{CloudEvent, Headers, reply_id};
pub use identity::{customer_key, event_id, record_key};
pub use link::{Link, LinkError, LinkKey};
pub use topics::{ACTIVITY, ALL_TOPICS, Cleanup, DLQ, EVENTS, ITEMS, REPLIES, Topic};

/// The compiled `FileDescriptorSet` of every contract, for gRPC reflection and for tools that print records.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! generated {
    ($($(#[$doc:meta])* $module:ident = $package:literal;)*) => {$(
        $(#[$doc])*
        #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::clone_on_ref_ptr)]
        pub mod $module {
            tonic::include_proto!($package);
        }
    )*};
}

/// The generated packages, laid out as the generated code expects them.
pub mod yingbin {
    /// Package `yingbin.event`.
    pub mod event {
        generated! {
            /// Version 1.
            v1 = "yingbin.event.v1";
        }
    }
    /// Package `yingbin.reply`.
    pub mod reply {
        generated! {
            /// Version 1.
            v1 = "yingbin.reply.v1";
        }
    }
    /// Package `yingbin.profile`.
    pub mod profile {
        generated! {
            /// Version 1.
            v1 = "yingbin.profile.v1";
        }
    }
    /// Package `yingbin.content`.
    pub mod content {
        generated! {
            /// Version 1.
            v1 = "yingbin.content.v1";
        }
    }
    /// Package `yingbin.activity`.
    pub mod activity {
        generated! {
            /// Version 1.
            v1 = "yingbin.activity.v1";
        }
    }
}

pub use yingbin::{
    activity::v1 as activity, content::v1 as content, event::v1 as event, profile::v1 as profile,
    reply::v1 as reply,
};
