//! The faults that are not tried here: why not, and what covers them.

/// Id, and the sentence.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "F13",
        "needs a pause between two instructions: content-service's `paused.rs` lets one pass between arming and sending, `wechat` between a send and its first byte",
    ),
    ("F14", "a handler that panics: content-service's own tests let one panic and see its event set aside"),
    (
        "F15",
        "needs a memory limit of its own (cgroup); F50 and `make soak` hold the resident size below a bound instead",
    ),
    ("F16", "gateway's `bounds.rs` gives a process 256 files and 1,000 connections, and then no file at all"),
    ("F20", "a leader that moves is what F17 with three nodes does"),
    (
        "F23",
        "a worker that blocks: content-service's own tests block a handler, a thread of the runtime and the loop, and see the watchdog end the process",
    ),
    (
        "F25",
        "retention that passes a group takes the broker minutes; content-service's own tests let a mock cluster delete and see the loss counted",
    ),
    (
        "F26",
        "a real broker gives no fatal error on demand: gateway's `topic.rs` has a mock cluster give one, starts the next process and counts",
    ),
    (
        "F27",
        "gateway's `topic.rs` has a mock cluster miss and refuse the topic, at the start and at run time",
    ),
    ("F30", "a real broker refuses a batch whose checksum is wrong before anybody can read it"),
    ("F32", "a DLQ topic that is missing holds the partition: content-service's own tests"),
    ("F38", "the check of the eviction policy at the start is content-service's own test"),
    (
        "F41",
        "lanes of one hot user: content-service's property tests; size caps of a profile: profile-service's",
    ),
    (
        "F44",
        "names with no address, names that fail, replicas that are replaced: content-service's own tests of its address book, over gRPC with a resolver of their own",
    ),
    (
        "F45",
        "`buf breaking` in `make lint`; the golden bytes of `proto`, and its `versions.rs` with what only the other side knows",
    ),
    ("F54", "half an hour without tokens: the pauses are unit tests of `wechat`, with a clock that jumps"),
    (
        "F58",
        "every code has its class: a snapshot test of `wechat` over the whole table, an unknown code included",
    ),
    ("F63", "gateway's own tests: slow headers, slow body, idle, slow readers"),
    ("F64", "gateway's own tests of hostile requests"),
    ("F65", "fuzzing of `wechat` and its corpus of malformed documents"),
    ("F66", "`wechat`'s hostile documents and fuzzing"),
    ("F67", "`wechat`'s vectors of broken envelopes; gateway's uniform refusals"),
    ("F68", "gateway's own tests of forged floods"),
    (
        "F70",
        "a clock that jumps needs faketime; services take the time as an argument and their own tests move it",
    ),
    ("F71", "gateway's own tests accept the current and the previous key"),
    ("F72", "gateway's event tests: unknown kinds become `Unrecognised`"),
    (
        "F73",
        "a full disk needs a file system of its own: gateway's `spool_process.rs` runs into a write limit and a failing sync",
    ),
    ("F74", "the spool's model test cuts and flips"),
    ("F76", "brokers and Redis here speak plain TCP; `wechat`'s connect tests hold TLS to the platform"),
    ("F80", "playbooks that are bad or half written: content-service's own tests"),
    ("F81", "`buf breaking` against `proto/released.binpb` in `make lint`, golden bytes, `versions.rs`"),
    ("F85", "services push nothing to a collector: metrics are asked for"),
    ("F87", "`make soak MINUTES=480`"),
    ("F88", "endless templates and rules: fuel and size are tested and fuzzed in content-service"),
];
