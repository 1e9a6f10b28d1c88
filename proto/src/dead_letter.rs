//! The headers of a record on the DLQ topic: beside the record's own, why it is there and where it stood.

/// Longest description of what is wrong, in characters.
const LONGEST_ERROR: usize = 500;

/// What is said of a record that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// `dlq_reason`, a class: `protobuf`, `no_id`, `incomplete` …
    pub reason: &'a str,
    /// `dlq_error`: what is wrong; the first 500 characters are kept.
    pub error: &'a str,
    /// `dlq_topic`: where it stood.
    pub topic: &'a str,
    /// `dlq_partition`.
    pub partition: i32,
    /// `dlq_offset`.
    pub offset: i64,
    /// `dlq_time`: when it was set aside, Unix milliseconds.
    pub at_ms: i64,
    /// `dlq_attempts`: the try, from 1, in which it was written here.
    pub attempts: u32,
    /// `dlq_left_out`, where the DLQ topic takes no record so large: `value`, or `value, headers, key`. Empty, and no such header:
    /// the record is whole.
    pub left_out: &'a str,
    /// `dlq_value_bytes`: size of the value that was left out.
    pub value_bytes: usize,
}

impl DeadLetter<'_> {
    /// The headers, in the order in which they are written, behind the record's own.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("dlq_reason", self.reason.to_owned()),
            ("dlq_error", self.error.chars().take(LONGEST_ERROR).collect()),
            ("dlq_topic", self.topic.to_owned()),
            ("dlq_partition", self.partition.to_string()),
            ("dlq_offset", self.offset.to_string()),
            ("dlq_time", self.at_ms.to_string()),
            ("dlq_attempts", self.attempts.to_string()),
        ];
        if !self.left_out.is_empty() {
            headers.push(("dlq_left_out", self.left_out.to_owned()));
            headers.push(("dlq_value_bytes", self.value_bytes.to_string()));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: DeadLetter<'static> = DeadLetter {
        reason: "protobuf",
        error: "cut",
        topic: "wechat.events.v1",
        partition: 3,
        offset: 9,
        at_ms: 1_754_000_000_000,
        attempts: 1,
        left_out: "",
        value_bytes: 20,
    };

    fn lines(letter: &DeadLetter<'_>) -> String {
        let lines: Vec<_> = letter.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.join("\n")
    }

    #[test]
    fn headers_of_a_dead_letter_are_the_contract() {
        insta::assert_snapshot!(lines(&LETTER), @r"
        dlq_reason: protobuf
        dlq_error: cut
        dlq_topic: wechat.events.v1
        dlq_partition: 3
        dlq_offset: 9
        dlq_time: 1754000000000
        dlq_attempts: 1
        ");
    }

    #[test]
    fn what_was_left_out_is_said_and_a_long_error_is_cut() {
        let long = "错".repeat(600);
        let lines = lines(&DeadLetter { left_out: "value", error: &long, ..LETTER });
        assert!(lines.ends_with("dlq_left_out: value\ndlq_value_bytes: 20"), "{lines}");
        assert_eq!(lines.chars().filter(|c| *c == '错').count(), 500);
    }
}
