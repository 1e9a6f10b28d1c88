//! How what was reserved ends: part by part, or all at once.

use proto::reply::{Outcome, ShownRecord};
use tokio::time::Instant;

use super::{End, Entry, Ledger, PartEnd, Place, State};
use crate::{
    assignment::{Abandoned, Assignment},
    watchdog::step,
};

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
    /// May be sent again.
    again: bool,
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
        let (answer, _) = self.settle_as(place, mine, entry, Settling::default()).await?;
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
        let (answer, armed) = self.settle_as(place, mine, entry, settling).await?;
        self.moved_or(entry, &answer, |entry| {
            entry.set_part(&part);
            (entry.part, entry.attempt) = (entry.part + 1, 1);
            entry.state = State::Armed(armed);
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
        let (doubted, end) = entry.doubt(Some(part), end);
        let part = doubted.unwrap_or(part);
        let settling = Settling { part: part.write(), end: end.write(), untried, closed, again: false };
        let (answer, _) = self.settle_as(place, mine, entry, settling).await?;
        self.moved_or(entry, &answer, |entry| entry.set_last(Some(part), end));
        Ok(())
    }

    /// `sending → settled` for an attempt whose end nobody knows; with `again` it goes `→ reserved` to be sent once more, if it never
    /// was and the user's right gives another unit. The unit of the unknown attempt stays used.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn unknown(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        part: PartEnd,
        end: End,
        again: bool,
    ) -> Result<(), Abandoned> {
        let untried = entry.left().saturating_sub(1);
        let settling = Settling { part: part.write(), end: end.write(), untried, closed: false, again };
        let (answer, _) = self.settle_as(place, mine, entry, settling).await?;
        if let [tag, budget] = &answer[..]
            && tag == b"again"
        {
            let read = entry.set_again(budget);
            self.trust(entry, read);
            return Ok(());
        }
        self.moved_or(entry, &answer, |entry| entry.set_last(Some(part), end));
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
        step("settle");
        let (part, end) = entry.doubt(part, end);
        let (written, left) = (part.map_or_else(String::new, |part| part.write()), entry.left());
        let answer = self
            .call(mine, &self.scripts.give_up, |script| {
                script.key(&place.entry).key(&place.rights).arg(entry.part).arg(&written);
                script.arg(end.write()).arg(left);
            })
            .await?;
        self.moved_or(entry, &answer, |entry| entry.set_last(part, end));
        Ok(())
    }

    /// `sending → settled` as unknown, if the lease is over, or with `again` as in [`Ledger::unknown`]; otherwise only looks.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn overdue(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        again: bool,
    ) -> Result<(), Abandoned> {
        let at_ms = self.clock.now_ms();
        let before = entry.part_end(Outcome::Unknown, None, at_ms);
        let part = PartEnd { attempts: before.attempts + 1, unknown: before.unknown + 1, ..before };
        let reason = "the attempt was cut off: the user may or may not have it".to_owned();
        let end = End { outcome: Outcome::Unknown, reason, until_ms: 0, at_ms };
        let watched = entry.watched.as_ref().map_or(&[][..], |watched| watched.over(self.terms.lease));
        let answer = self
            .call(mine, &self.scripts.overdue, |script| {
                script.key(&place.entry).key(&place.rights).arg(at_ms).arg(part.write()).arg(end.write());
                script.arg(&place.fence).arg(part.attempts).arg(i32::from(again)).arg(watched);
            })
            .await?;
        self.moved_or(entry, &answer, |_| {});
        Ok(())
    }

    /// Notes in a settled entry that what was shown is not recorded. If somebody else has published the outcome meanwhile, `entry` is
    /// closed.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn note_not_recorded(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
    ) -> Result<(), Abandoned> {
        let answer = self
            .call(mine, &self.scripts.note, |script| {
                script.key(&place.entry);
            })
            .await?;
        self.moved_or(entry, &answer, |entry| entry.reply.set_shown(ShownRecord::NotRecorded));
        Ok(())
    }

    async fn settle_as(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &Entry,
        settling: Settling,
    ) -> Result<(Vec<Vec<u8>>, Instant), Abandoned> {
        step("settle");
        let Settling { part, end, untried, closed, again } = settling;
        // With the next part another one is armed.
        let arms = !part.is_empty() && end.is_empty();
        self.call_as(mine, &self.scripts.settle, self.replicas(arms), |script| {
            script.key(&place.entry).key(&place.rights);
            script.arg(&place.fence).arg(entry.part).arg(entry.attempt).arg(&part).arg(&end);
            script.arg(self.lease_ms()).arg(untried).arg(i32::from(closed));
            script.arg(entry.attempts()).arg(i32::from(again)).arg(self.clock.now_ms());
        })
        .await
    }
}
