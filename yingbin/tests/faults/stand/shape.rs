//! What a stand consists of.

/// How many of what, and settings beside the usual ones.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) gateways: usize,
    pub(crate) contents: usize,
    /// Tables for profile-service.
    pub(crate) profile: &'static str,
    /// Further lines of everybody's `[kafka]`.
    pub(crate) kafka: &'static str,
    /// Further lines of everybody's `[redis]`.
    pub(crate) redis: &'static str,
    /// Further lines of the gateways.
    pub(crate) gateway: &'static str,
    /// The gateways have one.
    pub(crate) spool: bool,
    /// Tables for content-service.
    pub(crate) content: &'static str,
    /// The playbook of each account, whose name stands there as `ACCOUNT`.
    pub(crate) playbook: &'static str,
    /// Partitions of the events topic, where they are not as many as usual.
    pub(crate) partitions: i32,
    /// How many people write to each account.
    pub(crate) users: usize,
    /// Pushes a second.
    pub(crate) rate: u32,
    /// `FAILPOINTS` of the first gateway and of the first content-service, where their build has any.
    pub(crate) failpoints: Option<String>,
    /// Services find each other by names that can be taken away.
    pub(crate) names: bool,
    /// Tokens and keys of the gateways stand in files.
    pub(crate) secret_files: bool,
    /// Redis is reached over TLS, and asks for a certificate.
    pub(crate) tls: bool,
    /// Logs, all of them, go into pipes that nobody reads.
    pub(crate) unread: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            gateways: 1,
            contents: 1,
            profile: "",
            kafka: "",
            redis: "",
            gateway: "",
            spool: true,
            content: "",
            playbook: super::PLAYBOOK,
            partitions: proto::EVENTS.partitions,
            users: 60,
            rate: 25,
            failpoints: None,
            names: false,
            secret_files: false,
            tls: false,
            unread: false,
        }
    }
}
