//! What comes after an unknown end that a person decides on.

use super::{Damaged, Entry, Ledger, Place};
use crate::assignment::{Abandoned, Assignment};
use proto::reply::Reply;
use sha2::{Digest as _, Sha256};

/// What became of an entry that is to be sent again.
#[derive(Clone, Debug, PartialEq)]
pub enum Resumed {
    /// The entry with its next part to be armed, or as far as somebody has brought it since.
    Entry(Box<Entry>),
    /// The user's right does not give it: it goes on waiting.
    NoRight,
    /// The unknown outcome is not published yet.
    NotYet,
    /// The ledger has no entry that could be sent.
    Gone,
}

impl Ledger {
    /// `settled → waiting`: the outcome is published as unknown with these bytes, and everything that a resend needs is kept.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn wait(&self, place: &Place, mine: &Assignment, outcome: &[u8]) -> Result<(), Abandoned> {
        let hash = hex::encode(&Sha256::digest(outcome)[..16]);
        self.call(mine, &self.scripts.wait, |script| {
            script.key(&place.entry).arg(&hash);
        })
        .await?;
        Ok(())
    }

    /// `waiting → reserved`: a person has it sent again, once; takes the units of what is to be sent. Who comes later finds it as it is.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn resume(&self, place: &Place, mine: &Assignment) -> Result<Resumed, Abandoned> {
        let answer = self
            .call(mine, &self.scripts.resume, |script| {
                script.key(&place.entry).key(&place.rights).arg(self.clock.now_ms()).arg(&place.fence);
            })
            .await?;
        let fields = match &answer[..] {
            [tag] if tag == b"no" => return Ok(Resumed::NoRight),
            [tag] if tag == b"later" => return Ok(Resumed::NotYet),
            [tag, fields @ ..] if tag == b"found" => fields,
            _ => &[],
        };
        let mut entry = Entry::new(Reply { revision: 1, ..Reply::default() });
        match entry.set_found(fields) {
            Ok(()) if entry.reply.revision == 1 => Ok(Resumed::Entry(Box::new(entry))),
            Ok(()) => Ok(Resumed::Gone),
            Err(damaged @ Damaged(_)) => {
                if !fields.is_empty() {
                    tracing::error!(%damaged, "an entry that is to be sent again cannot be read: it is not sent");
                }
                Ok(Resumed::Gone)
            }
        }
    }

    /// `waiting → closed`: it stays unknown. `false`: its outcome is not published yet, and it is to be dropped later.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn drop_waiting(&self, place: &Place, mine: &Assignment) -> Result<bool, Abandoned> {
        let answer = self
            .call(mine, &self.scripts.drop, |script| {
                script.key(&place.entry);
            })
            .await?;
        Ok(!matches!(&answer[..], [tag] if tag == b"later"))
    }
}
