//! The phone page in a JavaScript engine: its own files as the simulator serves them, over a document of a few hundred lines.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, Url};
use rquickjs::{
    CatchResultExt as _, Context, Ctx, Error, FromJs, Function, Module, Result, Runtime, Value,
    loader::{ImportAttributes, Loader, Resolver},
    module::Declared,
    runtime::RejectionTracker,
};
use serde_json::json;
use tokio::runtime::Handle;

const DOM: &str = include_str!("dom.js");
const PATIENCE: Duration = Duration::from_secs(25);

/// An open page.
pub(crate) struct Browser {
    stream: Receiver<Happening>,
    /// Promises that nobody has asked how they ended.
    failed: Rc<RefCell<Vec<String>>>,
    context: Context,
    runtime: Runtime,
}

/// An event of the stream: name and data.
pub(crate) type Happening = (String, String);

/// The way to the simulator.
#[derive(Clone)]
struct Network {
    handle: Handle,
    http: Client,
    base: String,
}

impl Browser {
    /// Opens the page at `base` and lets it run.
    pub(crate) fn open(handle: &Handle, base: &str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        let network = Network { handle: handle.clone(), http, base: base.to_owned() };
        let (runtime, failed) = (Runtime::new().unwrap(), Rc::default());
        runtime.set_loader(Beside, network.clone());
        runtime.set_host_promise_rejection_tracker(Some(watch(&failed)));
        let context = Context::full(&runtime).unwrap();
        let (tell, stream) = channel();
        context.with(|ctx| network.offer(&ctx, &tell).unwrap());
        let browser = Self { stream, failed, context, runtime };
        let (status, html) = network.ask("GET", "/", String::new());
        assert_eq!(status, "200", "{html}");
        browser.run::<()>(DOM);
        let script: String = browser.run(&format!("openPage({}, {})", json!(base), json!(html)));
        browser.context.with(|ctx| drop(Module::import(&ctx, script).catch(&ctx).unwrap()));
        browser.turn();
        browser
    }

    /// Evaluates a piece of JavaScript beside the page.
    pub(crate) fn run<T: for<'js> FromJs<'js>>(&self, script: &str) -> T {
        self.context.with(|ctx| match ctx.eval(script).catch(&ctx) {
            Ok(value) => value,
            Err(error) => panic!("{error}\nin {script}"),
        })
    }

    /// Tells the page of something on its stream.
    pub(crate) fn hear(&self, (name, data): &Happening) {
        self.run::<()>(&format!("heard({}, {})", json!(name), json!(data)));
        self.turn();
    }

    /// Goes on until a condition holds, written in JavaScript.
    pub(crate) fn until(&self, what: &str, condition: &str) {
        let began = Instant::now();
        while !self.run::<bool>(condition) {
            let shown = || self.run::<String>("document.querySelector('body').textContent");
            assert!(began.elapsed() < PATIENCE, "waited in vain: {what}\n{}", shown());
            match self.stream.recv_timeout(Duration::from_millis(5)) {
                Ok(happening) => self.hear(&happening),
                Err(RecvTimeoutError::Timeout) => self.turn(),
                Err(RecvTimeoutError::Disconnected) => panic!("the page has no stream"),
            }
        }
    }

    /// Runs everything that waits to be run.
    fn turn(&self) {
        self.run::<()>("ring()");
        while self.runtime.is_job_pending() {
            assert!(self.runtime.execute_pending_job().is_ok(), "a job of the page failed");
        }
        assert_eq!(*self.failed.borrow(), [] as [String; 0], "the page failed");
    }
}

/// Remembers promises that failed until somebody catches them.
fn watch(failed: &Rc<RefCell<Vec<String>>>) -> RejectionTracker {
    let failed = Rc::clone(failed);
    Box::new(move |_, _, reason, caught| {
        let told = |error: &Value<'_>| error.as_exception().map(|error| format!("{error:?}"));
        let reason = told(&reason).unwrap_or_else(|| format!("{reason:?}"));
        let mut failed = failed.borrow_mut();
        match failed.iter().position(|one| *one == reason) {
            Some(place) if caught => drop(failed.remove(place)),
            _ => failed.push(reason),
        }
    })
}

impl Network {
    /// What `dom.js` needs from outside.
    fn offer(&self, ctx: &Ctx<'_>, tell: &Sender<Happening>) -> Result<()> {
        let globals = ctx.globals();
        let network = self.clone();
        let fetch = move |method: String, path: String, body: String| {
            let (status, text) = network.ask(&method, &path, body);
            vec![status, text]
        };
        globals.set("hostFetch", Function::new(ctx.clone(), fetch))?;
        let (network, tell) = (self.clone(), tell.clone());
        let listen = move |path: String| network.listen(&path, tell.clone());
        globals.set("hostStream", Function::new(ctx.clone(), listen))?;
        globals.set("hostUrl", Function::new(ctx.clone(), address))
    }

    /// Status and body of an answer.
    fn ask(&self, method: &str, path: &str, body: String) -> (String, String) {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if method != Method::GET {
            request = request.header("content-type", "application/json").body(body);
        }
        self.handle.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16().to_string(), answer.text().await.unwrap())
        })
    }

    /// Passes on what comes on a stream.
    fn listen(&self, path: &str, tell: Sender<Happening>) {
        let request = self.http.get(format!("{}{path}", self.base));
        self.handle.spawn(async move {
            let mut answer = request.send().await.unwrap();
            let mut text = Vec::new();
            while let Ok(Some(bytes)) = answer.chunk().await {
                text.extend_from_slice(&bytes);
                let whole = text.windows(2).rposition(|end| end == b"\n\n").map_or(0, |at| at + 2);
                let whole: Vec<u8> = text.drain(..whole).collect();
                for happening in happenings(&String::from_utf8(whole).unwrap()) {
                    // The page may be closed already.
                    if tell.send(happening).is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// Reads server-sent events.
pub(crate) fn happenings(stream: &str) -> Vec<Happening> {
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
    };
    let events = stream.split("\n\n");
    events.filter_map(|event| Some((field(event, "event:")?, field(event, "data:")?))).collect()
}

/// The parts of an address as JSON.
fn address(address: String, base: String) -> Result<String> {
    let url = Url::parse(&base).and_then(|base| base.join(&address));
    let url = url.map_err(|_| Error::new_from_js("string", "URL"))?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let host = format!("{}{port}", url.host_str().unwrap_or_default());
    Ok(json!({ "href": url.as_str(), "host": host, "pathname": url.path() }).to_string())
}

/// Modules are found beside the one that names them.
struct Beside;

impl Resolver for Beside {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(name.strip_prefix("./").map_or_else(|| name.to_owned(), |name| format!("{folder}/{name}")))
    }
}

impl Loader for Network {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let (status, source) = self.ask("GET", name, String::new());
        if status != "200" {
            return Err(Error::new_loading(name));
        }
        Module::declare(ctx.clone(), name, source)
    }
}
