//! Every push that the documentation shows (`facts.md` §2.2–2.5) is read as what it is, as XML and as JSON.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use wechat::document::Document;
use wechat::push::{Entrance, Kind, Push};

/// `section | name | kind | document`, one push a line.
const PUSHES: &str = include_str!("data/documented.txt");

fn kind_name(kind: &Kind<'_>) -> &'static str {
    match kind {
        Kind::Text { .. } => "Text",
        Kind::Image { .. } => "Image",
        Kind::Voice { .. } => "Voice",
        Kind::Location { .. } => "Location",
        Kind::Link { .. } => "Link",
        Kind::Subscribe { .. } => "Subscribe",
        Kind::Unsubscribe => "Unsubscribe",
        Kind::Scan { .. } => "Scan",
        Kind::Click { .. } => "Click",
        Kind::View { .. } => "View",
        Kind::LocationReport { .. } => "LocationReport",
        Kind::Enter(_) => "Enter",
        Kind::Unrecognised => "Unrecognised",
    }
}

fn rows() -> Vec<[&'static str; 4]> {
    let row = |line: &'static str| line.splitn(4, " | ").collect::<Vec<_>>().try_into().unwrap();
    PUSHES.lines().map(row).collect()
}

fn named(name: &str) -> Document<'static> {
    let row = rows().into_iter().find(|row| row[1] == name).unwrap();
    Document::parse(row[3].as_bytes()).unwrap()
}

#[test]
fn every_documented_push_has_its_kind() {
    assert_eq!(rows().len(), 57);
    for [section, name, kind, document] in rows() {
        let document = Document::parse(document.as_bytes()).unwrap();
        let push = Push::read(&document);
        assert_eq!(kind_name(&push.kind), kind, "{section} {name}");
        assert!(push.create_time == Some(1_754_000_000) || document.get("TimeStamp").is_some(), "{name}");
        assert!(!push.identity().is_empty());
    }
}

#[test]
fn the_same_push_as_json_reads_the_same() {
    for [section, name, kind, document] in rows() {
        let document = Document::parse(document.as_bytes()).unwrap();
        if document.leaves().iter().any(|leaf| leaf.name.contains('.')) {
            continue;
        }
        let members: Vec<String> =
            document.leaves().iter().map(|leaf| format!("{:?}: {:?}", leaf.name, leaf.value)).collect();
        let json = format!("{{{}}}", members.join(", "));
        let from_json = Document::parse(json.as_bytes()).unwrap();
        assert_eq!(from_json, document, "{section} {name}");
        assert_eq!(kind_name(&Push::read(&from_json).kind), kind);
    }
}

#[test]
fn the_typed_fields_are_the_documents() {
    let document = named("text from msgmenu click");
    let Kind::Text { message_id, content, menu_option_id } = Push::read(&document).kind else { panic!() };
    assert_eq!((message_id, content, menu_option_id), ("23637352235060881", "Yes", Some("101")));

    let document = named("subscribe by parametric QR (not yet following)");
    let Kind::Subscribe { scene, ticket, event_key } = Push::read(&document).kind else { panic!() };
    assert_eq!((scene, ticket, event_key), (Some("campaign_42"), "gQTICKET1", "qrscene_campaign_42"));

    let document = named("location");
    let Kind::Location { latitude, longitude, scale, label, .. } = Push::read(&document).kind else {
        panic!()
    };
    assert_eq!((latitude, longitude, scale), (Some(23.134_521), Some(113.358_803), Some(16)));
    assert_eq!(label, "Tianhe, Guangzhou");

    let document = named("link");
    let Kind::Link { url, .. } = Push::read(&document).kind else { panic!() };
    assert_eq!(url, "https://example.com/a?b=1&c=2");

    let document = named("user_enter_tempsession");
    let entrance = Entrance::TempSession { session_from: "page=cart&item=42" };
    assert_eq!(Push::read(&document).kind, Kind::Enter(entrance));
    let document = named("ENTER (legacy, see 2.7)");
    assert_eq!(Push::read(&document).kind, Kind::Enter(Entrance::Enter));
}

#[test]
fn nested_and_repeated_fields_keep_their_order() {
    let document = named("subscribe_msg_popup_event");
    let leaves: Vec<(&str, &str)> = document.leaves()[5..].iter().map(|l| (&*l.name, &*l.value)).collect();
    assert_eq!(
        leaves,
        [
            ("SubscribeMsgPopupEvent.List.TemplateId", "TPL1"),
            ("SubscribeMsgPopupEvent.List.SubscribeStatusString", "accept"),
            ("SubscribeMsgPopupEvent.List.PopupScene", "2"),
            ("SubscribeMsgPopupEvent.List.TemplateId", "TPL2"),
            ("SubscribeMsgPopupEvent.List.SubscribeStatusString", "reject"),
            ("SubscribeMsgPopupEvent.List.PopupScene", "2"),
        ]
    );
}

#[test]
fn odd_fields_are_none_and_never_an_error() {
    let xml = "<xml><MsgType>event</MsgType><Event>LOCATION</Event><CreateTime>soon</CreateTime>\
               <Latitude></Latitude><Longitude>NaN</Longitude></xml>";
    let document = Document::parse(xml.as_bytes()).unwrap();
    let push = Push::read(&document);
    assert_eq!(push.create_time, None);
    assert_eq!(push.kind, Kind::LocationReport { latitude: None, longitude: None, precision: None });
    assert_eq!((push.to_user_name, push.from_user_name), ("", ""));
}

#[test]
fn identity_tells_apart_what_one_second_brings_together() {
    let identity = |xml: &str| {
        let document = Document::parse(xml.as_bytes()).unwrap();
        Push::read(&document).identity().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>()
    };
    let event = |rest: &str| {
        let xml =
            format!("<FromUserName>o</FromUserName><CreateTime>1</CreateTime><MsgType>event</MsgType>{rest}");
        identity(&format!("<xml>{xml}</xml>"))
    };
    assert_ne!(event("<Event>LOCATION</Event>"), event("<Event>CLICK</Event><EventKey>a</EventKey>"));
    assert_ne!(event("<UserCardCode>1</UserCardCode>"), event("<UserCardCode>2</UserCardCode>"));

    let message = |user: &str, text: &str| {
        identity(&format!(
            "<xml><FromUserName>{user}</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType>\
             <Content>{text}</Content><MsgId>7</MsgId></xml>"
        ))
    };
    assert_ne!(message("a", "x"), message("b", "x"));
    assert_eq!(message("a", "x"), ["MsgType=text", "MsgId=7", "CreateTime=1", "FromUserName=a"]);
}

#[test]
fn the_action_decides_about_send_rights() {
    use wechat::rights::Action;
    let action = |name: &str| Push::read(&named(name)).action();
    assert_eq!(action("text"), Action::Message);
    assert_eq!(action("text from msgmenu click"), Action::MenuOption);
    for message in ["image", "voice", "video", "shortvideo", "location", "link", "miniprogrampage"] {
        assert_eq!(action(message), Action::Message, "{message}");
    }
    for button in ["CLICK", "scancode_push", "scancode_waitmsg"] {
        assert_eq!(action(button), Action::MenuClick, "{button}");
    }
    assert_eq!(action("subscribe"), Action::Subscribe);
    assert_eq!(action("SCAN"), Action::Scan);
    assert_eq!(action("user_enter_tempsession"), Action::Enter);
    for nothing in ["VIEW", "LOCATION", "unsubscribe", "view_miniprogram", "pic_weixin", "user_get_card"] {
        assert_eq!(action(nothing), Action::Other, "{nothing}");
    }
    assert_eq!(action("TEMPLATESENDJOBFINISH"), Action::Other);
}
