//! A decision as a page: the outcome first, then how it came about.

use proto::{
    profile::Enrichment,
    reply::{
        Budget, Candidate, Decision, Outcome, Part, Reply, RuleMatch, ShownRecord, Slot, SourceState, Terms,
    },
};

use super::message;
use crate::command::time::point;

/// Candidates and exclusions of a slot that are told.
const TOLD: usize = 5;

pub(super) fn of(reply: &Reply) -> String {
    let mut lines = outcome(reply);
    if let Some(decision) = &reply.decision {
        lines.extend(decided(decision));
    } else {
        lines.push("No decision was made for it.".to_owned());
    }
    if !reply.parts.is_empty() {
        lines.push("\nThe messages:".to_owned());
        lines.extend((1..).zip(&reply.parts).map(|(number, part)| self::part(number, part)));
    }
    lines.extend(shown(reply.shown()));
    lines.push(String::new());
    lines.join("\n")
}

fn outcome(reply: &Reply) -> Vec<String> {
    let mut lines = vec![
        format!(
            "Event {} ({}) of {}",
            reply.event_id,
            reply.event_kind.replace('_', " "),
            point(reply.occurred_at_ms)
        ),
        format!("User {} of account {} ({})", reply.openid, reply.account, reply.app_id),
        format!("\nIt ended on {}: {}.", point(reply.ended_at_ms), ending(reply.outcome())),
    ];
    if reply.revision > 0 {
        lines.push("Its outcome was unknown before, and a person had it sent again.".to_owned());
    }
    if !reply.reason.is_empty() {
        let until =
            if reply.until_ms == 0 { String::new() } else { format!(", until {}", point(reply.until_ms)) };
        lines.push(format!("The reason: {}{until}.", reply.reason));
    }
    lines
}

fn ending(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "not known",
        Outcome::Sent => "WeChat took the whole reply",
        Outcome::Suppressed => "nothing was to be sent",
        Outcome::Refused => "WeChat refused it, or could not be reached in time",
        Outcome::Unknown => "it was sent, but WeChat's answer was lost: the user may or may not have it",
        Outcome::Expired => "the event was too old to be answered",
        Outcome::SetAside => "nobody could read it; it stands in the DLQ topic",
    }
}

fn decided(decision: &Decision) -> Vec<String> {
    let mut lines = vec![format!("\nDecided on {}.", point(decision.at_ms)), known(decision)];
    if let Some(budget) = &decision.budget {
        lines.push(self::budget(budget));
    }
    if !decision.rules.is_empty() {
        lines.push("\nReplies of the playbook that listen to this event:".to_owned());
        lines.extend(decision.rules.iter().map(|looked| rule(looked, &decision.reply)));
    }
    lines.extend(decision.slots.iter().flat_map(slot));
    lines.extend(sources(decision));
    lines.extend(question(decision));
    lines
}

fn known(decision: &Decision) -> String {
    if decision.neutral {
        return "The profile did not come in time, so the neutral edition was chosen.".to_owned();
    }
    let Some(Enrichment { profile: Some(profile), visit_started, habits }) = &decision.enrichment else {
        return "Nothing was known about the user.".to_owned();
    };
    let visit = profile.visit.as_ref().map_or(0, |visit| visit.number);
    let began = if *visit_started { "began with this event" } else { "was under way" };
    let clear = habits.iter().filter(|habit| habit.clear);
    let habits: Vec<String> = clear
        .map(|habit| format!("; habit {} = {} ({:.0} %)", habit.name, habit.value, habit.probability * 100.0))
        .collect();
    format!(
        "Visit {visit} {began}. Known: {} traits, {} stated wishes, {} tastes{}.",
        profile.traits.len(),
        profile.preferences.len(),
        profile.tastes.len(),
        habits.concat()
    )
}

fn budget(budget: &Budget) -> String {
    let Budget { right, before, after, until_ms } = budget;
    if right.is_empty() {
        return "WeChat gave no right to send.".to_owned();
    }
    format!(
        "Right to send by {right:?}: {before} messages before, {after} after, until {}.",
        point(*until_ms)
    )
}

fn rule(looked: &RuleMatch, chosen: &str) -> String {
    let RuleMatch { reply, trigger, held, reason } = looked;
    let (mark, word) = match (*held, reply == chosen) {
        (true, true) => ("✓", "chosen"),
        (true, false) => ("·", "would have fitted too"),
        (false, _) => ("✗", "did not fit"),
    };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("  {mark} {reply} (on {trigger}) {word}{why}")
}

fn slot(slot: &Slot) -> Vec<String> {
    let chosen = if slot.item_ids.is_empty() { "nothing".to_owned() } else { slot.item_ids.join(", ") };
    let mut lines = vec![format!("\nSlot {}: {chosen}", slot.name)];
    lines.extend(slot.candidates.iter().take(TOLD).map(candidate));
    let rest = slot.candidates.len().saturating_sub(TOLD);
    lines.extend((rest > 0).then(|| format!("  … and {rest} more (--json has them)")));
    let left_out = slot.exclusions.iter().take(TOLD);
    lines.extend(left_out.map(|item| format!("  ✗ {} left out: {}", item.item_id, item.reason)));
    let rest = slot.exclusions.len().saturating_sub(TOLD);
    lines.extend((rest > 0).then(|| format!("  … and {rest} more left out")));
    lines
}

fn candidate(candidate: &Candidate) -> String {
    let Terms { affinity, freshness, preference, context, pin, seen } =
        candidate.score_terms.unwrap_or_default();
    let terms = [
        ("affinity", affinity),
        ("freshness", freshness),
        ("preference", preference),
        ("context", context),
        ("pin", pin),
        ("seen", seen),
    ];
    let terms = terms.into_iter().filter(|(_, micros)| *micros != 0);
    let terms: Vec<String> = terms.map(|(name, micros)| format!("{name} {}", units(micros))).collect();
    let sum = if terms.is_empty() { String::new() } else { format!(" = {}", terms.join(" + ")) };
    format!("  {} {}{sum}", candidate.item_id, units(candidate.score))
}

/// Micro-units with three decimals, without passing through a float.
fn units(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let thousandths = micros.unsigned_abs() / 1_000;
    format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

fn sources(decision: &Decision) -> Vec<String> {
    let line = |source: &proto::reply::SourceValue| {
        let how = match source.state() {
            SourceState::Unspecified => "not known how",
            SourceState::Fetched => "fetched now",
            SourceState::Cached => "from the cache",
            SourceState::Fallback => "late or unreadable, so the fallback was used",
        };
        format!("\n{} ({how}): {}", source.name, source.value)
    };
    decision.sources.iter().map(line).collect()
}

fn question(decision: &Decision) -> Vec<String> {
    let asked = (!decision.asked_trait.is_empty()).then(|| format!("\nAsked for: {}", decision.asked_trait));
    let why = (!decision.question.is_empty()).then(|| format!("\nThe question: {}", decision.question));
    asked.into_iter().chain(why).collect()
}

fn part(number: u32, part: &Part) -> String {
    let errcode =
        part.errcode.filter(|code| *code != 0).map_or_else(String::new, |code| format!(", errcode {code}"));
    let attempts = match (part.attempts, part.unknown_attempts) {
        (0 | 1, _) => String::new(),
        (attempts, 0) => format!(", {attempts} attempts"),
        (attempts, unknown) => format!(", {attempts} attempts, of {unknown} nobody knows the end"),
    };
    let (name, at) = (part.outcome().name().replace('_', " "), point(part.ended_at_ms));
    let words = message::readable(&part.message).replace('\n', "\n     ");
    format!("  {number}. {name} on {at}{errcode}{attempts}\n     {words}")
}

fn shown(shown: ShownRecord) -> Option<String> {
    let known = match shown {
        ShownRecord::Unspecified => return None,
        ShownRecord::Recorded => "knows",
        ShownRecord::NotRecorded => "could not be told in time",
    };
    Some(format!("\nprofile-service {known} what was shown."))
}

#[cfg(test)]
mod tests;
