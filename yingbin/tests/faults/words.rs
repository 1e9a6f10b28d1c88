//! Which rows the words of a command name. Pure, so that it can be tested itself.

/// Whether a word names a row by its number, or by more of its name.
pub(crate) fn names(word: &str, row: &str) -> bool {
    word.starts_with('f') && row.contains(word)
}

/// What was typed, however it was typed; without options.
pub(crate) fn words(typed: impl Iterator<Item = String>) -> Vec<String> {
    typed.filter(|word| !word.starts_with('-')).map(|word| word.to_lowercase()).collect()
}

/// Words that name no row: all of them, where only rows can be meant, or else those that look like the number of one.
pub(crate) fn strange<'a>(words: &'a [String], rows: &[&str], only_rows: bool) -> Vec<&'a str> {
    let is_number = |word: &str| {
        word.strip_prefix('f').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
    };
    let strange = |word: &&str| (only_rows || is_number(word)) && !rows.iter().any(|row| names(word, row));
    words.iter().map(String::as_str).filter(strange).collect()
}
