//! What the user did, as far as send rights go (`facts.md` §2.8).

use super::{Kind, Push};
use crate::rights::Action;

impl Push<'_> {
    /// The action that the push tells of, to look up in [`crate::rights::grant`].
    #[must_use]
    pub fn action(&self) -> Action {
        match self.kind {
            Kind::Text { menu_option_id: Some(_), .. } => Action::MenuOption,
            Kind::Text { .. }
            | Kind::Image { .. }
            | Kind::Voice { .. }
            | Kind::Location { .. }
            | Kind::Link { .. } => Action::Message,
            Kind::Click { .. } => Action::MenuClick,
            Kind::Subscribe { .. } => Action::Subscribe,
            Kind::Scan { .. } => Action::Scan,
            Kind::Enter(_) => Action::Enter,
            Kind::Unsubscribe | Kind::View { .. } | Kind::LocationReport { .. } => Action::Other,
            Kind::Unrecognised => self.untyped_action(),
        }
    }

    /// Any message counts, also of a type that is not known here; of the other events the two scan buttons.
    fn untyped_action(&self) -> Action {
        let scan_button = |name: &str| self.event.eq_ignore_ascii_case(name);
        if scan_button("scancode_push") || scan_button("scancode_waitmsg") {
            Action::MenuClick
        } else if self.event.is_empty() && self.message_id().is_some() {
            Action::Message
        } else {
            Action::Other
        }
    }
}
