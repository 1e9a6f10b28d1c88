//! What the platform's error codes mean for the one who sends (`facts.md` §4).

mod remedy;
mod table;

pub use remedy::remedy;
pub use table::TABLE;

/// What to do about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Accepted; no proof that it was shown.
    Ok,
    /// Not taken; try again with back-off.
    Retry,
    /// Not taken; refresh the access token once, then repeat once.
    RefreshToken,
    /// Not taken, and a repeat would not change that: drop this message.
    GiveUp,
    /// Not taken: the user's window is closed or used up until their next action.
    CloseWindow,
    /// Not taken: this user can not be reached; drop and mark.
    BlockUser,
    /// Not taken: nothing of this account is, until a person changes something. Pause it and alarm.
    StopAccount,
    /// Not taken: the day's quota is used up; pause the account until midnight in Beijing.
    StopUntilMidnight,
    /// Not taken: the minute's quota is used up; pause the account until the next minute.
    PauseMinute,
    /// May have been taken.
    Ambiguous,
}

impl Class {
    /// Name in metrics and outcomes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::RefreshToken => "refresh_token",
            Self::GiveUp => "give_up",
            Self::CloseWindow => "close_window",
            Self::BlockUser => "block_user",
            Self::StopAccount => "stop_account",
            Self::StopUntilMidnight => "stop_until_midnight",
            Self::PauseMinute => "pause_minute",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrCode {
    /// The code.
    pub code: i32,
    /// The platform's own text, or the meaning in its words where the sources give none.
    pub text: &'static str,
    /// What to do.
    pub class: Class,
    /// Where the code is documented or was seen.
    pub source: &'static str,
    /// A person has to see it, though it stops nothing.
    pub alarms: bool,
}

/// The row of a code.
#[must_use]
pub fn lookup(code: i32) -> Option<&'static ErrCode> {
    TABLE.iter().find(|row| row.code == code)
}

/// What to do about a code; an unknown one is given up.
#[must_use]
pub fn class(code: i32) -> Class {
    lookup(code).map_or(Class::GiveUp, |row| row.class)
}

/// Whether a person has to see a code that stops nothing: nobody here knows it, or its row says so.
#[must_use]
pub fn alarms(code: i32) -> bool {
    lookup(code).is_none_or(|row| row.alarms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_without_repeats_and_every_row_has_text_and_source() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(TABLE.iter().all(|row| !row.text.is_empty() && !row.source.is_empty()));
    }

    #[test]
    fn every_code_has_its_class() {
        let rows: Vec<String> =
            TABLE.iter().map(|row| format!("{} {}", row.code, row.class.as_str())).collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn an_unknown_code_is_given_up() {
        assert_eq!(class(99_999), Class::GiveUp);
        assert_eq!(lookup(99_999), None);
    }

    #[test]
    fn what_nobody_knows_and_a_punishment_are_told_to_a_person() {
        assert_eq!([99_999, 45_094, 45_002, 0].map(alarms), [true, true, false, false]);
    }
}
