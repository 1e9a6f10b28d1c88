//! What makes a push this push: the fields that a repeat has in common with it and no other push has.

use super::Push;

impl<'d> Push<'d> {
    /// Names and values that identify the push within its account, in a fixed order.
    ///
    /// With a `MsgId`: type, id, time and sender, because ids repeat across users. Without: every leaf of the
    /// document, because sender and second collide (`facts.md` §3).
    #[must_use]
    pub fn identity(&self) -> Vec<(&'d str, &'d str)> {
        let Some(message_id) = self.message_id() else {
            return self.document.leaves().iter().map(|leaf| (&*leaf.name, &*leaf.value)).collect();
        };
        let create_time = self.document.get("CreateTime").unwrap_or_default();
        vec![
            ("MsgType", self.msg_type),
            ("MsgId", message_id),
            ("CreateTime", create_time),
            ("FromUserName", self.from_user_name),
        ]
    }
}
