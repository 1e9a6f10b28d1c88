//! The promises of `docs/` (what is answered, what is sent), each a test named after it, on real processes: gateway, profile-service and
//! content-service, a real Apache Kafka, a real Redis. What really arrived is told by the platform itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support {
    pub(crate) mod books;
    pub(crate) mod house;
    pub(crate) mod kafka;
    pub(crate) mod processes;
    pub(crate) mod redis;
}

mod promises {
    mod delivery;
    mod durability;
    mod rights;
    mod survival;
}
