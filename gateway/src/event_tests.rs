//! Pushes as they come from the platform, and the events they become.

use proptest::prelude::*;
use prost::Message as _;

use super::*;

const NOW: i64 = 1_754_000_000_123;

fn of(document: &str) -> Event {
    of_push("qianjiang", "wx1", document.as_bytes(), NOW)
}

fn xml(fields: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>\
         <CreateTime>1754000000</CreateTime>{fields}</xml>"
    )
}

fn event(name: &str, fields: &str) -> Event {
    of(&xml(&format!("<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>{fields}")))
}

#[test]
fn the_bytes_of_an_event_are_the_contract() {
    let event = event("user_enter_tempsession", "<SessionFrom><![CDATA[page=home]]></SessionFrom>");
    let golden = concat!(
        "0a203461643864613966306430353635306365323364326166623462306333613430",
        "12097169616e6a69616e671a0377783122026f312a0467685f31308088b094863338fb88b09486",
        "33a2010d08021209706167653d686f6d65"
    );
    assert_eq!(hex::encode(event.encode_to_vec()), golden);
}

#[test]
fn each_typed_push_keeps_its_fields() {
    assert_eq!(
        event("subscribe", "<EventKey>qrscene_shop_7</EventKey><Ticket>T</Ticket>").kind,
        Some(Kind::Subscribed(Subscribed {
            scene: "shop_7".into(),
            ticket: "T".into(),
            event_key: "qrscene_shop_7".into()
        }))
    );
    assert_eq!(event("unsubscribe", "<EventKey/>").kind_name(), "unsubscribed");
    assert_eq!(
        event("SCAN", "<EventKey>shop_7</EventKey><Ticket>T</Ticket>").kind,
        Some(Kind::Scanned(Scanned { scene: "shop_7".into(), ticket: "T".into() }))
    );
    assert_eq!(
        event("CLICK", "<EventKey>CHECK_IN</EventKey>").kind,
        Some(Kind::MenuClicked(MenuClicked { key: "CHECK_IN".into() }))
    );
    assert_eq!(
        event("VIEW", "<EventKey>https://a.example/?b=1&amp;c=2</EventKey><MenuId>9</MenuId>").kind,
        Some(Kind::MenuViewed(MenuViewed { url: "https://a.example/?b=1&c=2".into(), menu_id: "9".into() }))
    );
    assert_eq!(
        event("LOCATION", "<Latitude>23.5</Latitude><Longitude></Longitude><Precision>far</Precision>").kind,
        Some(Kind::LocationReported(LocationReported {
            latitude: Some(23.5),
            longitude: None,
            precision: None
        }))
    );
    assert_eq!(
        event("ENTER", "").kind,
        Some(Kind::Entered(Entered { signal: EntrySignal::Enter.into(), session_from: String::new() }))
    );
}

#[test]
fn each_typed_message_keeps_its_fields() {
    let message = |kind: &str, fields: &str| {
        of(&xml(&format!("<MsgType>{kind}</MsgType><MsgId>23637352235060880</MsgId>{fields}"))).kind
    };
    let message_id = || "23637352235060880".to_owned();
    assert_eq!(
        message("text", "<Content>窗边\u{8}</Content><bizmsgmenuid>101</bizmsgmenuid>"),
        Some(Kind::TextReceived(TextReceived {
            message_id: message_id(),
            content: "窗边\u{8}".into(),
            menu_option_id: "101".into()
        }))
    );
    assert_eq!(
        message("image", "<PicUrl>http://p</PicUrl><MediaId>m</MediaId>"),
        Some(Kind::ImageReceived(ImageReceived {
            message_id: message_id(),
            pic_url: "http://p".into(),
            media_id: "m".into()
        }))
    );
    assert_eq!(
        message("voice", "<MediaId>m</MediaId><Format>amr</Format><Recognition>你好</Recognition>"),
        Some(Kind::VoiceReceived(VoiceReceived {
            message_id: message_id(),
            media_id: "m".into(),
            format: "amr".into(),
            recognition: "你好".into()
        }))
    );
    assert_eq!(
        message("location", "<Location_X>23.1</Location_X><Location_Y>113.3</Location_Y><Scale>16</Scale>"),
        Some(Kind::LocationReceived(LocationReceived {
            message_id: message_id(),
            latitude: Some(23.1),
            longitude: Some(113.3),
            scale: Some(16.0),
            label: String::new()
        }))
    );
    assert_eq!(
        message("link", "<Title>t</Title><Description>d</Description><Url>https://u</Url>"),
        Some(Kind::LinkReceived(LinkReceived {
            message_id: message_id(),
            title: "t".into(),
            description: "d".into(),
            url: "https://u".into()
        }))
    );
}

#[test]
fn what_is_not_known_is_kept_with_all_its_fields() {
    let event = event("card_pay", "<Info><Cost>1</Cost><Cost>2</Cost></Info>");
    let Some(Kind::Unrecognised(kept)) = &event.kind else { panic!("{event:?}") };
    let fields: Vec<_> =
        kept.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
    assert_eq!((kept.msg_type.as_str(), kept.event.as_str()), ("event", "card_pay"));
    assert_eq!(&fields[5..], [("Info.Cost", "1"), ("Info.Cost", "2")]);
    assert_eq!((event.openid.as_str(), is_unreadable(&event)), ("o1", false));
}

#[test]
fn what_nobody_can_read_is_kept_raw_under_its_own_hash() {
    let doctype = "<!DOCTYPE xml [<!ENTITY a \"b\">]><xml><Content>&a;</Content></xml>";
    let deep = format!("<xml>{}x{}</xml>", "<a>".repeat(60), "</a>".repeat(60));
    for document in
        [doctype.as_bytes(), deep.as_bytes(), b"<xml><Content>\xff</Content></xml>", b"", b"hello"]
    {
        let event = of_push("qianjiang", "wx1", document, NOW);
        let Some(Kind::Unrecognised(kept)) = &event.kind else { panic!("{event:?}") };
        assert_eq!((kept.raw.as_slice(), kept.fields.len()), (document, 0));
        assert!(is_unreadable(&event));
        assert_eq!(event.id, of_push("other", "wx1", document, NOW + 5).id);
        assert_ne!(event.id, of_push("qianjiang", "wx2", document, NOW).id);
    }
}

#[test]
fn names_that_would_swell_in_every_leaf_are_kept_raw() {
    let name = "n".repeat(30_000);
    let document = xml(&format!("<{name}>{}</{name}>", "<a>1</a>".repeat(900)));
    let event = of(&document);
    assert!(is_unreadable(&event) && event.encoded_len() < 2 * document.len());
}

#[test]
fn the_time_is_the_platforms_but_never_later_than_now() {
    let at =
        |create_time: &str| of(&format!("<xml><CreateTime>{create_time}</CreateTime></xml>")).occurred_at_ms;
    assert_eq!(at("1753999000"), 1_753_999_000_000);
    for odd in ["1754000001", "1754000000123", "9223372036854775807", "-1", "0", "soon", ""] {
        assert_eq!(at(odd), NOW, "{odd}");
    }
}

#[test]
fn taps_of_one_second_are_one_event() {
    let link = || proto::Link { app_id: "wx1".into(), item_id: "i".into(), ..proto::Link::default() };
    let id = |token, now_ms| of_click("qianjiang", token, link(), Vec::new(), now_ms).id;
    assert_eq!(id("t", 1_000), id("t", 1_999));
    assert_ne!(id("t", 1_000), id("t", 2_000));
    assert_ne!(id("t", 1_000), id("u", 1_000));
}

proptest! {
    #[test]
    fn no_document_is_refused(document in prop::collection::vec(any::<u8>(), 0..400)) {
        let event = of_push("qianjiang", "wx1", &document, NOW);
        prop_assert!(event.kind.is_some() && event.id.len() == 32 && event.occurred_at_ms <= NOW);
        prop_assert_eq!(&event, &of_push("qianjiang", "wx1", &document, NOW));
    }
}
