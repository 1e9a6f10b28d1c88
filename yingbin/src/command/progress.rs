//! A progress bar on a terminal; nothing where nobody watches.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter work than this is done before a bar can be read.
const WORTH_SHOWING: u64 = 500;

/// A bar on standard error up to `total`; indicatif draws it only if that is a terminal.
pub(super) fn bar(total: u64, what: impl Into<Cow<'static, str>>) -> ProgressBar {
    let target =
        if total < WORTH_SHOWING { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
        .expect("the template is a constant (tested)");
    ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        let bar = bar(1_000, "items");
        bar.inc(3);
        assert_eq!((bar.position(), bar.length(), bar.message().as_str()), (3, Some(1_000), "items"));
    }
}
