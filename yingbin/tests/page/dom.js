// As much of a browser as the phone page uses. What the page asks for beyond it is an error that names it, and so is every
// way to write markup, a script in an attribute or an address that is a script.

class Node {
  get isConnected() { return this === document.root || Boolean(this.parent?.isConnected); }
  remove() { this.replaceWith(); }
  replaceWith(...others) {
    if (!this.parent) return;
    const { nodes } = this.parent;
    const made = others.map((other) => adopt(other, this.parent));
    nodes.splice(nodes.indexOf(this), 1, ...made);
    this.parent = undefined;
  }
}

class Text extends Node {
  constructor(data) { super(); this.textContent = String(data); }
}

function adopt(what, parent) {
  const node = what instanceof Node ? what : new Text(what);
  if (node.parent) node.remove();
  node.parent = parent;
  return node;
}

const never = (name) => { throw new Error(`the page wrote markup through ${name}`); };
const VALUES = ["href", "src"];

class Element extends Node {
  constructor(name) {
    super();
    Object.assign(this, { tagName: name, nodes: [], attributes: new Map(), listeners: [], value: "", hidden: false, tabIndex: -1 });
    Object.assign(this, { scrollTop: 0, scrollHeight: 0, clientHeight: 0 });
    this.style = { setProperty: (key, value) => this.setAttribute(`style:${key}`, value) };
    const data = (key) => `data-${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    this.dataset = new Proxy({}, {
      get: (_, key) => this.getAttribute(data(key)) ?? undefined,
      set: (_, key, value) => { this.setAttribute(data(key), value); return true; },
    });
  }
  set innerHTML(_) { never("innerHTML"); }
  set outerHTML(_) { never("outerHTML"); }
  insertAdjacentHTML() { never("insertAdjacentHTML"); }
  get href() { return this.getAttribute("href"); }
  set href(address) { this.setAttribute("href", String(address)); }
  get title() { return this.getAttribute("title") ?? ""; }
  set title(text) { this.setAttribute("title", text); }
  setAttribute(name, value) {
    if (/^on/i.test(name)) throw new Error(`a script in the attribute ${name}`);
    if (VALUES.includes(name) && !/^(https?:|data:image\/|[#/])/.test(value)) throw new Error(`${name} leads to ${value}`);
    this.attributes.set(name, String(value));
  }
  getAttribute(name) { return this.attributes.get(name) ?? null; }
  removeAttribute(name) { this.attributes.delete(name); }
  get id() { return this.getAttribute("id") ?? ""; }
  get className() { return this.getAttribute("class") ?? ""; }
  set className(names) { this.setAttribute("class", names); }
  get classList() {
    const all = () => this.className.split(/\s+/).filter(Boolean);
    const set = (names) => this.setAttribute("class", [...new Set(names)].join(" "));
    const toggle = (name, on = !all().includes(name)) => set(on ? [...all(), name] : all().filter((one) => one !== name));
    return { contains: (name) => all().includes(name), add: (name) => toggle(name, true), remove: (name) => toggle(name, false), toggle };
  }
  get children() { return this.nodes.filter((node) => node instanceof Element); }
  get firstChild() { return this.nodes[0] ?? null; }
  get lastChild() { return this.nodes.at(-1) ?? null; }
  get firstElementChild() { return this.children[0] ?? null; }
  get lastElementChild() { return this.children.at(-1) ?? null; }
  get parentElement() { return this.parent ?? null; }
  get textContent() { return this.nodes.map((node) => node.textContent).join(""); }
  set textContent(text) { this.replaceChildren(text); }
  append(...others) { this.nodes.push(...others.map((other) => adopt(other, this))); }
  prepend(...others) { this.nodes.unshift(...others.map((other) => adopt(other, this))); }
  replaceChildren(...others) {
    for (const node of [...this.nodes]) node.remove();
    this.append(...others);
  }
  contains(node) { return Boolean(node) && (node === this || this.contains(node.parent)); }
  closest(selector) { return this.matches(selector) ? this : this.parent?.closest(selector) ?? null; }
  matches(selector) { return selector.split(",").some((one) => fits(this, one.trim().split(/\s+/))); }
  get everything() { return this.children.flatMap((child) => [child, ...child.everything]); }
  querySelectorAll(selector) { return this.everything.filter((element) => element.matches(selector)); }
  querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
  focus() { document.activeElement = this; }
  scrollIntoView() {}
  addEventListener(type, then) { this.listeners.push([type, then]); }
  dispatch(type) {
    let stopped = false;
    const event = { type, target: this, preventDefault() {}, stopPropagation() { stopped = true; } };
    for (let at = this; at && !stopped; at = at.parent) {
      for (const [name, then] of [...at.listeners]) if (name === type) then(event);
    }
  }
  click() { this.dispatch("click"); }
}

const PIECE = /([.#]?)([\w-]+)|\[([\w-]+)(?:="?([^"\]]*)"?)?\]/g;

function fits(element, path) {
  const last = path.at(-1);
  const pieces = [...last.matchAll(PIECE)];
  if (pieces.map(([piece]) => piece).join("") !== last) throw new Error(`a selector that is not known here: ${last}`);
  const held = pieces.every(([, kind, name, attribute, value]) => {
    if (attribute) return element.attributes.has(attribute) && (value === undefined || element.getAttribute(attribute) === value);
    if (kind === ".") return element.classList.contains(name);
    return kind === "#" ? element.id === name : element.tagName === name;
  });
  if (!held || path.length === 1) return held;
  for (let at = element.parent; at; at = at.parent) if (fits(at, path.slice(0, -1))) return true;
  return false;
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const decoded = (text) => text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name) => ENTITIES[name]);
const MARKUP = /<!\[CDATA\[([\s\S]*?)\]\]>|<!--[\s\S]*?-->|<[!?][^>]*>|<(\/?)([\w:-]+)((?:\s+[\w:-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'))?)*)\s*(\/?)>|([^<]+)/g;
const VOID = ["meta", "link", "img", "input", "br"];

/** Well-formed markup as a tree; throws for anything else. */
function parse(markup, ends = []) {
  const root = new Element("#document");
  let at = root;
  let read = 0;
  for (const [whole, cdata, close, name, attributes, empty, text] of markup.matchAll(MARKUP)) {
    read += whole.length;
    if (cdata !== undefined) at.append(cdata);
    else if (text !== undefined) at.append(decoded(text));
    else if (close) {
      if (at.tagName !== name) throw new Error(`</${name}> ends <${at.tagName}>`);
      at = at.parent;
    } else if (name) {
      const element = new Element(name);
      for (const [, key, , one, two] of attributes.matchAll(/([\w:-]+)(\s*=\s*(?:"([^"]*)"|'([^']*)'))?/g)) element.setAttribute(key, decoded(one ?? two ?? ""));
      element.hidden = element.attributes.has("hidden");
      at.append(element);
      if (!empty && !ends.includes(name)) at = element;
    }
  }
  if (read !== markup.length || at !== root) throw new Error("the markup is not well-formed");
  return root;
}

globalThis.DOMParser = class {
  parseFromString(text) {
    let root;
    try {
      root = parse(text);
    } catch {
      root = parse("<parsererror/>");
    }
    return { documentElement: root.children[0], querySelector: (selector) => root.querySelector(selector) };
  }
};

globalThis.URLSearchParams = class {
  constructor(query = "") {
    const pairs = String(query).replace(/^\?/, "").split("&").filter(Boolean);
    const plain = (text) => decodeURIComponent(text.replaceAll("+", " "));
    this.pairs = new Map(pairs.map((pair) => pair.split("=")).map(([name, ...value]) => [plain(name), plain(value.join("="))]));
  }
  get(name) { return this.pairs.get(name) ?? null; }
  has(name) { return this.pairs.has(name); }
  set(name, value) { this.pairs.set(name, String(value)); }
  toString() { return [...this.pairs].map((pair) => pair.map(encodeURIComponent).join("=")).join("&"); }
};

globalThis.URL = class {
  constructor(address, base) { Object.assign(this, JSON.parse(hostUrl(String(address), String(base ?? location.origin)))); }
  toString() { return this.href; }
};

/** What the page asked for: method, path, body. */
globalThis.asked = [];
globalThis.fetch = async (path, { method = "GET", body } = {}) => {
  asked.push({ method, path, body: body && JSON.parse(body) });
  const [status, text] = hostFetch(method, path, body ?? "");
  return { status: Number(status), ok: status < "300", json: async () => JSON.parse(text), text: async () => text };
};

const sources = [];
globalThis.EventSource = class {
  constructor(path) { this.listeners = []; sources.push(this); hostStream(path); }
  addEventListener(type, then) { this.listeners.push([type, then]); }
};
/** An event of the stream. */
globalThis.heard = (type, data) => sources.forEach((source) => source.listeners.forEach(([name, then]) => { if (name === type) then({ data }); }));

const timers = [];
const later = (then, after, every) => timers.push({ then, due: Date.now() + after, every });
globalThis.setTimeout = (then, after = 0) => later(then, after);
globalThis.setInterval = (then, every) => later(then, every, every);
globalThis.ring = () => {
  for (const timer of timers.filter(({ due }) => due <= Date.now())) {
    if (timer.every) timer.due = Date.now() + timer.every;
    else timers.splice(timers.indexOf(timer), 1);
    timer.then();
  }
};

globalThis.matchMedia = () => ({ matches: false });
globalThis.history = { replaceState: (_, __, address) => { globalThis.location.search = address.startsWith("?") ? address : ""; } };

/** Opens a page at an address. */
globalThis.openPage = (origin, html) => {
  globalThis.location = { origin, pathname: "/", search: "" };
  const root = parse(html, VOID);
  globalThis.document = {
    root, activeElement: null, write: () => never("write"), createElement: (name) => new Element(name),
    getElementById: (id) => root.querySelector(`#${id}`), querySelector: (selector) => root.querySelector(selector),
    querySelectorAll: (selector) => root.querySelectorAll(selector),
  };
  return root.querySelector("script").getAttribute("src");
};
