//! How what was reserved ends: part by part, or all at once.

use proto::reply::Outcome;
use tokio::time::Instant;

use super::{End, Entry, Ledger, PartEnd, Place, State};
use crate::assignment::{Abandoned, Assignment};

/// What the settling of a part says; by default that nothing was taken.
#[derive(Default)]
struct Settling {
    part: String,
    /// Empty: more parts follow.
    end: String,
    /// Parts whose units go back.
    untried: usize,
    /// The platform says that the user's window is closed.
    closed: bool,
}

impl Ledger {
    /// `sending → reserved`: nothing was taken. The ledger keeps how often it was tried.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn not_sent(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
    ) -> Result<(), Abandoned> {
        let answer = self.settle_as(place, mine, entry, Settling::default()).await?;
        self.moved_or(entry, &answer, |entry| entry.state = State::Reserved);
        Ok(())
    }

    /// `sending → sending`: the part was taken, the next one is armed.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn next_part(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        part: PartEnd,
    ) -> Result<(), Abandoned> {
        let settling = Settling { part: part.write(), ..Settling::default() };
        let answer = self.settle_as(place, mine, entry, settling).await?;
        self.moved_or(entry, &answer, |entry| {
            entry.set_part(&part);
            (entry.part, entry.attempt) = (entry.part + 1, 1);
            entry.state = State::Armed(Instant::now());
        });
        Ok(())
    }

    /// `sending → settled`; the units of parts that are not tried any more go back. `closed`: the platform says that the
    /// user's window is.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn settle(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        part: PartEnd,
        end: End,
        closed: bool,
    ) -> Result<(), Abandoned> {
        let untried = entry.left().saturating_sub(1);
        let settling = Settling { part: part.write(), end: end.write(), untried, closed };
        let answer = self.settle_as(place, mine, entry, settling).await?;
        self.moved_or(entry, &answer, |entry| {
            entry.set_part(&part);
            entry.set_end(Some(end));
        });
        Ok(())
    }

    /// `reserved → settled`: what was not sent will not be; its units go back.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn give_up(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        part: Option<PartEnd>,
        end: End,
    ) -> Result<(), Abandoned> {
        let (written, left) = (part.map_or_else(String::new, |part| part.write()), entry.left());
        let answer = self
            .call(mine, &self.scripts.give_up, |script| {
                script.key(&place.entry).key(&place.rights).arg(entry.part).arg(&written);
                script.arg(end.write()).arg(left);
            })
            .await?;
        self.moved_or(entry, &answer, |entry| {
            if let Some(part) = part {
                entry.set_part(&part);
            }
            entry.set_end(Some(end));
        });
        Ok(())
    }

    /// `sending → settled` as unknown, if the lease is over; otherwise only looks.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn overdue(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
    ) -> Result<(), Abandoned> {
        let at_ms = self.clock.now_ms();
        let part =
            PartEnd { outcome: Outcome::Unknown, errcode: None, at_ms, attempts: entry.attempts() + 1 };
        let reason = "the attempt was cut off: the user may or may not have it".to_owned();
        let end = End { outcome: Outcome::Unknown, reason, until_ms: 0, at_ms };
        let answer = self
            .call(mine, &self.scripts.overdue, |script| {
                script.key(&place.entry).key(&place.rights).arg(at_ms).arg(part.write()).arg(end.write());
            })
            .await?;
        self.moved_or(entry, &answer, |_| {});
        Ok(())
    }

    /// Notes in a settled entry that what was shown is not recorded.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn note_not_recorded(&self, place: &Place, mine: &Assignment) -> Result<(), Abandoned> {
        self.call(mine, &self.scripts.note, |script| {
            script.key(&place.entry);
        })
        .await?;
        Ok(())
    }

    async fn settle_as(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &Entry,
        settling: Settling,
    ) -> Result<Vec<Vec<u8>>, Abandoned> {
        let Settling { part, end, untried, closed } = settling;
        self.call(mine, &self.scripts.settle, |script| {
            script.key(&place.entry).key(&place.rights);
            script.arg(&place.fence).arg(entry.part).arg(entry.attempt).arg(&part).arg(&end);
            script.arg(self.clock.now_ms() + self.lease_ms()).arg(untried).arg(i32::from(closed));
            script.arg(entry.attempts());
        })
        .await
    }
}
