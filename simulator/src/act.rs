//! What a person does with the phone, as the document that the platform would push (`facts.md` §2).

mod order;

use serde::{Deserialize, Serialize};
use wechat::account::{AccountKind, RuleSet};
use wechat::push::Format;

use crate::config::Account;

pub(crate) use order::{ActOrder, OrderShape};

/// Something that a person does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Opens the conversation: `user_enter_tempsession` for a mini-program, `ENTER` under the rules of WeChat 4.5,
    /// and today's Official Account says LOCATION at best.
    Enter {
        /// The contact button's `session-from`, mini-programs only.
        #[serde(default)]
        session_from: String,
    },
    /// Follows the account.
    Subscribe {
        /// Scene of the QR code that led there.
        #[serde(default)]
        scene: String,
    },
    /// Stops following.
    Unsubscribe,
    /// Taps a menu button.
    Click {
        /// Its key.
        key: String,
    },
    /// Taps a menu button that opens a page.
    View {
        /// Address of the page.
        url: String,
    },
    /// Writes.
    Text {
        /// What.
        content: String,
    },
    /// Taps an option of a msgmenu.
    MenuOption {
        /// Id of the option.
        id: String,
        /// Its text.
        content: String,
    },
    /// Scans a QR code of the account that the person follows.
    Scan {
        /// Its scene.
        scene: String,
    },
    /// The phone reports where it is.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
}

/// Why an act makes no push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// An Official Account's act on a mini-program, or the other way round.
    #[error("an account of this kind pushes nothing for this act")]
    Kind,
}

/// Where the phone is when nobody says so: the West Lake.
const HERE: (f64, f64) = (30.2448, 120.1495);

impl Act {
    /// The inner document of this act by `openid` at `now_ms`, in the account's format.
    ///
    /// # Errors
    /// When an account of this kind pushes nothing for it.
    pub fn document(
        &self,
        account: &Account,
        openid: &str,
        now_ms: i64,
        id: i64,
    ) -> Result<String, ActError> {
        let mini = account.kind == AccountKind::MiniProgram;
        if mini && !matches!(self, Self::Enter { .. } | Self::Text { .. }) {
            return Err(ActError::Kind);
        }
        let mut fields = vec![
            Field::text("ToUserName", &account.original_id),
            Field::text("FromUserName", openid),
            Field::number("CreateTime", now_ms.div_euclid(1000)),
        ];
        match self {
            Self::Enter { session_from } if mini => {
                fields.extend(
                    [event("user_enter_tempsession"), vec![Field::text("SessionFrom", session_from)]]
                        .concat(),
                );
            }
            Self::Enter { .. } if account.rules == RuleSet::WeChat45 => fields.extend(event("ENTER")),
            Self::Enter { .. } => fields.extend(location(HERE.0, HERE.1)),
            Self::Subscribe { scene } if scene.is_empty() => fields.extend(keyed("subscribe", "")),
            Self::Subscribe { scene } => fields.extend(scanned("subscribe", &format!("qrscene_{scene}"))),
            Self::Unsubscribe => fields.extend(keyed("unsubscribe", "")),
            Self::Click { key } => fields.extend(keyed("CLICK", key)),
            Self::View { url } => fields.extend(keyed("VIEW", url)),
            Self::Scan { scene } => fields.extend(scanned("SCAN", scene)),
            Self::Location { latitude, longitude } => fields.extend(location(*latitude, *longitude)),
            Self::Text { content } => fields.extend(text(content, id)),
            Self::MenuOption { id: option, content } => {
                fields.extend(text(content, id));
                fields.push(Field::text("bizmsgmenuid", option));
            }
        }
        Ok(written(&fields, account.format))
    }
}

#[derive(Debug, Clone)]
struct Field {
    name: &'static str,
    value: String,
    /// Written bare, as the platform writes numbers.
    bare: bool,
}

impl Field {
    fn text(name: &'static str, value: &str) -> Self {
        Self { name, value: value.to_owned(), bare: false }
    }

    fn number(name: &'static str, value: impl ToString) -> Self {
        Self { name, value: value.to_string(), bare: true }
    }
}

fn event(name: &str) -> Vec<Field> {
    vec![Field::text("MsgType", "event"), Field::text("Event", name)]
}

fn keyed(name: &str, key: &str) -> Vec<Field> {
    [event(name), vec![Field::text("EventKey", key)]].concat()
}

fn scanned(name: &str, key: &str) -> Vec<Field> {
    [keyed(name, key), vec![Field::text("Ticket", "gQSIMULATED")]].concat()
}

fn location(latitude: f64, longitude: f64) -> Vec<Field> {
    let place = [("Latitude", latitude), ("Longitude", longitude), ("Precision", 65.0)];
    [event("LOCATION"), place.map(|(name, degrees)| Field::number(name, format!("{degrees:.6}"))).to_vec()]
        .concat()
}

fn text(content: &str, id: i64) -> Vec<Field> {
    vec![Field::text("MsgType", "text"), Field::text("Content", content), Field::number("MsgId", id)]
}

fn written(fields: &[Field], format: Format) -> String {
    let inner =
        |write: fn(&Field) -> String, between| fields.iter().map(write).collect::<Vec<_>>().join(between);
    match format {
        Format::Xml => format!("<xml>{}</xml>", inner(xml, "")),
        Format::Json => format!("{{{}}}", inner(json, ",")),
    }
}

fn xml(Field { name, value, bare }: &Field) -> String {
    if *bare {
        return format!("<{name}>{value}</{name}>");
    }
    format!("<{name}><![CDATA[{}]]></{name}>", value.replace("]]>", "]]]]><![CDATA[>"))
}

fn json(Field { name, value, bare }: &Field) -> String {
    if *bare {
        format!("\"{name}\":{value}")
    } else {
        format!("\"{name}\":{}", serde_json::Value::from(value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: AccountKind, act: &str, change: impl FnOnce(&mut Account)) -> Result<String, ActError> {
        let mut account = Account::new("a", "http://x", "wx1", "gh_1", kind);
        change(&mut account);
        serde_json::from_str::<Act>(act).unwrap().document(&account, "o1", 1_754_000_000_999, 42)
    }

    #[test]
    fn entering_is_said_as_the_platform_says_it() {
        let enter = r#"{"act":"enter","session_from":"paper"}"#;
        let head = "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>\
                    <CreateTime>1754000000</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[";
        let mini = document(AccountKind::MiniProgram, enter, |_| ()).unwrap();
        let session = "<SessionFrom><![CDATA[paper]]></SessionFrom>";
        assert_eq!(mini, format!("{head}user_enter_tempsession]]></Event>{session}</xml>"));
        let old =
            document(AccountKind::Official, enter, |account| account.rules = RuleSet::WeChat45).unwrap();
        assert_eq!(old, format!("{head}ENTER]]></Event></xml>"));
        let today = document(AccountKind::Official, enter, |_| ()).unwrap();
        assert!(
            today.starts_with(&format!("{head}LOCATION]]></Event><Latitude>30.244800</Latitude>")),
            "{today}"
        );
    }

    #[test]
    fn texts_are_data_in_both_formats() {
        let text = r#"{"act":"menu_option","id":"101","content":"a]]>b\"c"}"#;
        let xml = document(AccountKind::Official, text, |_| ()).unwrap();
        assert!(xml.contains("<![CDATA[a]]]]><![CDATA[>b\"c]]>"), "{xml}");
        assert!(
            xml.ends_with("<MsgId>42</MsgId><bizmsgmenuid><![CDATA[101]]></bizmsgmenuid></xml>"),
            "{xml}"
        );
        let json = document(AccountKind::Official, text, |account| account.format = Format::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["Content"], &json["MsgId"]), (&"a]]>b\"c".into(), &42.into()));
    }

    #[test]
    fn a_mini_program_has_no_menu_and_no_followers() {
        for act in [r#"{"act":"click","key":"K"}"#, r#"{"act":"subscribe"}"#, r#"{"act":"unsubscribe"}"#] {
            assert_eq!(document(AccountKind::MiniProgram, act, |_| ()), Err(ActError::Kind), "{act}");
        }
        let scan = document(AccountKind::Official, r#"{"act":"subscribe","scene":"gate"}"#, |_| ()).unwrap();
        assert!(scan.contains("<![CDATA[qrscene_gate]]></EventKey><Ticket>"), "{scan}");
    }
}
