//! Habits with confidence: decayed counts per choice with a symmetric Dirichlet prior (personalisation §2).

use proto::{
    activity::Choice,
    profile::{Habit, HabitChoice, HabitOpinion, Profile},
};

use super::{
    bounds::{self, is_name},
    decay::{DAY_MS, left, meet},
};

/// Half-life of a choice: two years.
const HALF_LIFE_MS: i64 = 730 * DAY_MS;

/// The prior α of every option.
///
/// After three equal choices among K options, one contrary choice leaves `p = (3 + α) / (4 + αK)`. With 1/20 that is
/// visibly lower than before and still at least 0.7 for K = 2 … 6; a second contrary one brings it below 0.6.
const ALPHA: f64 = 0.05;

/// From this probability on a habit is clear.
const CLEAR_PROBABILITY: f64 = 0.7;

/// From this evidence on a habit is clear: three choices, less what they lose while they are recent.
///
/// Counts decay from the first day on, so three real choices never weigh a full 3. Three that are a quarter of a year
/// old on average weigh 2.75; two can never weigh more than 2.
const CLEAR_EVIDENCE: f64 = 3.0 - 0.25;

/// Counts each choice at `at_ms`. Choices without usable names are left out.
pub(crate) fn learn(habits: &mut Vec<Habit>, choices: &[Choice], at_ms: i64) {
    for choice in choices.iter().take(bounds::PER_EVENT) {
        if is_name(&choice.habit) && is_name(&choice.value) {
            count(habit_of(habits, choice, at_ms), choice, at_ms);
        }
    }
    bounds::shorten(habits, bounds::HABITS, |habit| habit.at_ms);
}

fn habit_of<'a>(habits: &'a mut Vec<Habit>, choice: &Choice, at_ms: i64) -> &'a mut Habit {
    let place = match habits.binary_search_by(|habit| habit.name.as_str().cmp(&choice.habit)) {
        Ok(found) => found,
        Err(place) => {
            let habit = Habit { name: choice.habit.clone(), choices: Vec::new(), options: 2, at_ms };
            habits.insert(place, habit);
            place
        }
    };
    &mut habits[place]
}

fn count(habit: &mut Habit, choice: &Choice, at_ms: i64) {
    let meeting = meet(habit.at_ms, at_ms, HALF_LIFE_MS);
    for known in &mut habit.choices {
        known.count *= meeting.old;
    }
    habit.at_ms = meeting.at_ms;
    match habit.choices.binary_search_by(|known| known.value.as_str().cmp(&choice.value)) {
        Ok(found) => habit.choices[found].count += meeting.new,
        Err(place) => {
            habit.choices.insert(place, HabitChoice { value: choice.value.clone(), count: meeting.new });
        }
    }
    if choice.options <= bounds::OPTIONS {
        habit.options = habit.options.max(choice.options);
    }
    bounds::shorten(&mut habit.choices, bounds::CHOICES, |known| known.count);
    habit.options = habit.options.max(habit.choices.len() as u32);
}

/// What each habit says at `now_ms`, sorted by name; among equals the value that sorts first.
#[must_use]
pub fn opinions(profile: &Profile, now_ms: i64) -> Vec<HabitOpinion> {
    profile.habits.iter().filter_map(|habit| opinion(habit, now_ms)).collect()
}

fn opinion(habit: &Habit, now_ms: i64) -> Option<HabitOpinion> {
    let best = habit.choices.iter().reduce(|best, next| if next.count > best.count { next } else { best })?;
    let kept = left(now_ms.saturating_sub(habit.at_ms), HALF_LIFE_MS);
    let evidence = kept * habit.choices.iter().map(|choice| choice.count).sum::<f64>();
    let options = f64::from(habit.options.max(2));
    let probability = (kept * best.count + ALPHA) / (evidence + ALPHA * options);
    Some(HabitOpinion {
        name: habit.name.clone(),
        value: best.value.clone(),
        probability,
        evidence,
        clear: probability >= CLEAR_PROBABILITY && evidence >= CLEAR_EVIDENCE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(habits: &mut Vec<Habit>, value: &str, options: u32, day: i64) {
        let choice = Choice { habit: "seat.side".into(), value: value.into(), options };
        learn(habits, &[choice], day * DAY_MS);
    }

    fn judge(habits: &[Habit], day: i64) -> HabitOpinion {
        opinion(&habits[0], day * DAY_MS).expect("the habit has choices")
    }

    #[test]
    fn three_equal_choices_are_clear_one_contrary_shows_and_two_stop_it() {
        for options in 2..=6 {
            let mut habits = Vec::new();
            for day in [0, 30, 60] {
                choose(&mut habits, "window", options, day);
                assert_eq!(judge(&habits, day).clear, day == 60, "K = {options}, day {day}");
            }
            let before = judge(&habits, 60);
            assert!(before.probability >= 0.9, "K = {options}: {}", before.probability);

            choose(&mut habits, "aisle", options, 60);
            let once = judge(&habits, 60);
            assert!(before.probability - once.probability > 0.15, "K = {options}: {}", once.probability);

            choose(&mut habits, "aisle", options, 60);
            assert!(!judge(&habits, 60).clear, "K = {options}");
        }
    }

    #[test]
    fn one_slip_does_not_end_a_fresh_habit() {
        for options in 2..=6 {
            let mut habits = Vec::new();
            for value in ["window", "window", "window", "aisle"] {
                choose(&mut habits, value, options, 0);
            }
            let slip = judge(&habits, 0);
            assert!(slip.clear && slip.value == "window", "K = {options}: {}", slip.probability);
        }
    }

    #[test]
    fn three_choices_count_as_three_for_a_quarter_and_not_for_ever() {
        let mut habits = Vec::new();
        for _ in 0..3 {
            choose(&mut habits, "front", 3, 0);
        }
        assert!(judge(&habits, 90).clear);
        assert!(!judge(&habits, 180).clear);
    }

    #[test]
    fn an_absurd_number_of_options_is_not_believed() {
        let mut habits = Vec::new();
        for _ in 0..3 {
            choose(&mut habits, "front", u32::MAX, 0);
        }
        assert!(judge(&habits, 0).clear);
    }
}
