//! What a reply listens for.

use proto::event::{Event, event::Kind};

/// One entry of `on:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Visit,
    Entered,
    Subscribed(Option<String>),
    Scanned(Option<String>),
    Click(Option<String>),
    Text(Vec<String>),
    Answer(Option<String>),
    Image,
    Voice,
    Location,
    Link,
}

const KNOWN: &str = "visit, entered, subscribed, subscribed:SCENE, scanned, scanned:SCENE, click, click:KEY, \
    text, text:WORD|WORD, answer, answer:QUESTION, image, voice, location, link";

impl Trigger {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let (name, detail) = match written.split_once(':') {
            Some((name, detail)) => (name.trim(), Some(detail.trim().to_owned())),
            None => (written.trim(), None),
        };
        if detail.as_ref().is_some_and(String::is_empty) {
            return Err(format!(
                "`{written}` names nothing after the colon: leave the colon out, or name it"
            ));
        }
        let plain = |trigger| match &detail {
            None => Ok(trigger),
            Some(_) => Err(format!("`{name}` takes nothing after a colon")),
        };
        match name {
            "visit" => plain(Self::Visit),
            "entered" => plain(Self::Entered),
            "image" => plain(Self::Image),
            "voice" => plain(Self::Voice),
            "location" => plain(Self::Location),
            "link" => plain(Self::Link),
            "subscribed" => Ok(Self::Subscribed(detail)),
            "scanned" => Ok(Self::Scanned(detail)),
            "click" => Ok(Self::Click(detail)),
            "answer" => Ok(Self::Answer(detail)),
            "text" => Ok(Self::Text(detail.map(|words| split_words(&words)).unwrap_or_default())),
            _ => Err(format!("`{written}` is no trigger: write one of {KNOWN}")),
        }
    }

    /// Whether the event is what this waits for. `opens`: a visit begins with it; `answer`: the question it answers.
    pub(crate) fn matches(&self, event: &Event, opens: bool, answer: Option<&str>) -> bool {
        match (self, event.kind.as_ref()) {
            (Self::Visit, _) => opens,
            (Self::Answer(wanted), _) => answer.is_some_and(|answer| is(wanted.as_ref(), answer)),
            (Self::Entered, Some(Kind::Entered(_)))
            | (Self::Image, Some(Kind::ImageReceived(_)))
            | (Self::Voice, Some(Kind::VoiceReceived(_)))
            | (Self::Location, Some(Kind::LocationReceived(_)))
            | (Self::Link, Some(Kind::LinkReceived(_))) => true,
            (Self::Subscribed(scene), Some(Kind::Subscribed(event))) => is(scene.as_ref(), &event.scene),
            (Self::Scanned(scene), Some(Kind::Scanned(event))) => is(scene.as_ref(), &event.scene),
            (Self::Click(key), Some(Kind::MenuClicked(event))) => is(key.as_ref(), &event.key),
            (Self::Text(words), Some(Kind::TextReceived(text))) => {
                words.is_empty() || {
                    let content = text.content.to_lowercase();
                    words.iter().any(|word| content.contains(word))
                }
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Trigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, detail) = match self {
            Self::Visit => ("visit", None),
            Self::Entered => ("entered", None),
            Self::Image => ("image", None),
            Self::Voice => ("voice", None),
            Self::Location => ("location", None),
            Self::Link => ("link", None),
            Self::Subscribed(scene) => ("subscribed", scene.clone()),
            Self::Scanned(scene) => ("scanned", scene.clone()),
            Self::Click(key) => ("click", key.clone()),
            Self::Answer(question) => ("answer", question.clone()),
            Self::Text(words) => ("text", (!words.is_empty()).then(|| words.join("|"))),
        };
        match detail {
            Some(detail) => write!(f, "{name}:{detail}"),
            None => f.write_str(name),
        }
    }
}

fn is(wanted: Option<&String>, actual: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == actual)
}

fn split_words(words: &str) -> Vec<String> {
    words.split('|').map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proto::event::{Entered, MenuClicked, TextReceived};

    use super::*;

    fn event(kind: Kind) -> Event {
        Event { kind: Some(kind), ..Event::default() }
    }

    #[test]
    fn a_trigger_hears_its_own_events_only() {
        let click = event(Kind::MenuClicked(MenuClicked { key: "CHECK_IN".into() }));
        let text = event(Kind::TextReceived(TextReceived {
            content: "明天 VIP 天气？".into(),
            ..Default::default()
        }));
        let entered = event(Kind::Entered(Entered::default()));
        let hears = |written: &str, event| Trigger::parse(written).unwrap().matches(event, false, None);
        assert!(hears("click:CHECK_IN", &click) && hears("click", &click) && !hears("click:SERVICE", &click));
        assert!(hears("text", &text) && hears("text:下雨|天气", &text) && hears("text: vip", &text));
        assert!(!hears("text:体育", &text) && !hears("text", &click));
        assert!(hears("entered", &entered) && !hears("visit", &entered));
        assert!(Trigger::Visit.matches(&click, true, None));
        assert!(Trigger::parse("answer:seat").unwrap().matches(&text, false, Some("seat")));
        assert!(!Trigger::parse("answer:seat").unwrap().matches(&text, false, None));
    }

    #[test]
    fn a_trigger_reads_back_as_written_and_a_wrong_one_is_explained() {
        for written in ["visit", "click:CHECK_IN", "text:天气|下雨", "subscribed:shop", "answer"] {
            assert_eq!(Trigger::parse(written).unwrap().to_string(), written);
        }
        assert!(Trigger::parse("enter").unwrap_err().contains("entered"));
        assert!(Trigger::parse("click:").is_err() && Trigger::parse("visit:3").is_err());
    }
}
