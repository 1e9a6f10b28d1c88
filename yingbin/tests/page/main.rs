//! The phone page's own JavaScript, run: before the whole house, and with messages of every kind.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod browser;
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use browser::{Browser, happenings};
use support::Stand;

/// One message of each kind and a text of a guest, as the simulator's stream tells them.
const STREAM: &str = include_str!("stream.txt");

/// The house, with the page open before it and in the hand of Mr Chen, of whom nothing is known.
struct Scene {
    page: Browser,
    stand: Stand,
    runtime: Runtime,
}

impl Scene {
    fn begin() -> Self {
        let runtime = Runtime::new().unwrap();
        let stand = runtime.block_on(Stand::fresh(&["csair"]));
        let page = Browser::open(runtime.handle(), &stand.system.addresses.simulator);
        let scene = Self { page, stand, runtime };
        scene.page.until("the people are listed", "document.querySelectorAll('.people button').length === 3");
        scene.press(".people button", "陈先生");
        scene.page.until("the phone is held", "document.querySelector('.welcome button.enter') !== null");
        scene
    }

    fn end(self) {
        drop(self.page);
        self.runtime.block_on(self.stand.stop());
    }

    /// Clicks on the one element of this kind that says so.
    fn press(&self, selector: &str, text: &str) {
        let found = format!(
            "document.querySelectorAll({}).filter((one) => one.textContent.includes({}))",
            json!(selector),
            json!(text)
        );
        assert_eq!(self.page.run::<usize>(&format!("{found}.length")), 1, "{selector} {text}");
        self.page.run::<()>(&format!("{found}[0].click()"));
    }

    fn write(&self, text: &str) {
        self.page.run::<()>(&format!(
            "document.querySelector('form input').value = {}; document.querySelector('form').dispatch('submit')",
            json!(text)
        ));
    }

    /// What all elements of a kind say.
    fn texts(&self, selector: &str) -> Vec<String> {
        let all = format!("document.querySelectorAll({}).map((one) => one.textContent)", json!(selector));
        self.page.run(&all)
    }

    fn count(&self, selector: &str) -> usize {
        self.texts(selector).len()
    }

    /// What the page has asked the simulator to let a person do.
    fn acts(&self) -> Vec<Value> {
        let all: String = self
            .page
            .run("JSON.stringify(asked.filter(({ path }) => path === '/sim/act').map(({ body }) => body))");
        serde_json::from_str(&all).unwrap()
    }
}

#[test]
fn a_guest_writes_is_asked_taps_an_option_and_is_answered() {
    let scene = Scene::begin();
    scene.press(".bar button", "⌨");
    scene.write("值机");
    scene.page.until("the question is there", "document.querySelectorAll('.options button').length === 3");
    scene.page.until("it is explained", "document.querySelector('#backstage .summary') !== null");
    assert!(scene.texts("#backstage .outcome")[0].contains("已送达"), "{:?}", scene.texts("#backstage"));
    assert_eq!(scene.texts(".mine .bubble"), ["值机"]);

    scene.press(".options button", "靠窗");
    scene.page.until("the answer is there", "document.querySelector('.talk').textContent.includes('记住了')");
    let (account, openid) = ("csair", "oCsChenD9bG56ToaA2iiI4QQHGJI");
    let wrote = json!({ "account": account, "openid": openid, "act": "text", "content": "值机" });
    let (act, id) = ("menu_option", "seat-window");
    let tapped = json!({ "account": account, "openid": openid, "act": act, "id": id, "content": "靠窗" });
    assert_eq!(scene.acts(), [wrote, tapped]);
    assert_eq!(scene.count(".toast"), 0, "{:?}", scene.texts(".toast"));
    scene.end();
}

#[test]
fn what_a_guest_writes_is_shown_as_it_was_written_and_never_as_markup() {
    let scene = Scene::begin();
    let scripts = scene.count("script");
    scene.press(".bar button", "⌨");
    let evil = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt;\"'";
    scene.write(evil);
    scene.page.until("it is told backstage", "document.querySelector('#backstage .document') !== null");
    scene.page.until("it is shown", "document.querySelector('.mine .bubble') !== null");
    assert_eq!(scene.texts(".mine .bubble"), [evil]);
    assert!(scene.texts("#backstage .document")[0].contains(evil), "{:?}", scene.texts("#backstage"));
    assert_eq!((scene.count("script"), scene.count("img")), (scripts, 0));
    scene.end();
}

#[test]
fn a_message_of_each_kind_is_shown_and_its_options_are_acts() {
    let scene = Scene::begin();
    let scripts = scene.count("script");
    for happening in happenings(STREAM) {
        scene.page.hear(&happening);
    }
    let bubbles = scene.texts(".line .bubble");
    let said =
        |text: &str| assert!(bubbles.iter().any(|bubble| bubble.contains(text)), "{text}: {bubbles:?}");
    for text in ["看这里", "<b>粗</b>", "<script>alert(1)</script>", "［图片］", "［语音］", "［wxcard］"]
    {
        said(text);
    }
    assert_eq!(scene.texts(".card b"), ["今日要闻 <i>", "会员日", "值机"]);
    assert_eq!(scene.texts(".card footer"), ["小程序 Mini-program"]);
    let links =
        "JSON.stringify(document.querySelectorAll('.bubble a').map((link) => [link.href, link.textContent]))";
    let links: Value = serde_json::from_str(&scene.page.run::<String>(links)).unwrap();
    assert_eq!(
        links,
        json!([["https://csair.example/a?b=1&c=2", "看这里"], ["#", "要靠过道"]]),
        "no other link lives"
    );
    assert_eq!(
        (scene.count("script"), scene.count("#phones img"), scene.count(".bubble b")),
        (scripts, 1, 0)
    );

    assert_eq!(scene.texts(".options button"), ["靠窗 <u>", "靠过道"]);
    scene.press(".options button", "靠窗");
    scene.press(".bubble a", "要靠过道");
    let acts = scene.acts();
    let told: Vec<_> = acts.iter().map(|act| [&act["act"], &act["id"], &act["content"]]).collect();
    let expected =
        json!([["menu_option", "seat-window", "靠窗 <u>"], ["menu_option", "seat-aisle", "靠过道"]]);
    assert_eq!(json!(told), expected);
    scene.end();
}
