//! Progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

use std::{
    borrow::Cow,
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter work than this is done before a bar can be read.
const WORTH_SHOWING: u64 = 500;
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(3);

/// A bar on standard error up to `total`; where that is no terminal, lines as long as the work goes on.
pub(super) fn bar(total: u64, what: impl Into<Cow<'static, str>>) -> ProgressBar {
    let shown = total >= WORTH_SHOWING;
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
        .expect("the template is a constant (tested)");
    let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(what);
    if shown && !stderr().is_terminal() {
        tokio::spawn(tell(bar.clone()));
    }
    bar
}

async fn tell(bar: ProgressBar) {
    loop {
        tokio::time::sleep(LINE).await;
        if bar.is_finished() {
            return;
        }
        let of = bar.length().unwrap_or_default();
        eprintln!("{} of {} {}", HumanCount(bar.position()), HumanCount(of), bar.message());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_template_is_one() {
        let bar = bar(1_000, "items");
        bar.inc(3);
        assert_eq!((bar.position(), bar.length(), bar.message().as_str()), (3, Some(1_000), "items"));
    }
}
