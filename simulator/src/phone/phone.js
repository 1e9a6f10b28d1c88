// One phone in one hand: the list of people, the conversation, the menu.

import * as api from "./api.js";
import { both, h, hour, hue, pressable, time } from "./dom.js";
import { bubble, deed } from "./messages.js";

const GAP_MS = 5 * 60_000;
const SHOWN = 60;
/** As long as the animation of an arrival in phone.css. */
const ARRIVAL_MS = 280;

export class Phone {
  /** `world`: `{ accounts, people, chosen, now(), choose(phone, item, asked), changed() }`. */
  constructor(world) {
    this.world = world;
    this.items = [];
    this.title = h("header", { class: "title" });
    this.body = h("div", { style: { display: "contents" } });
    this.clock = h("span", {});
    this.screen = h("div", { class: "screen" }, h("div", { class: "status" }, this.clock, h("i")), this.title, this.body);
    this.element = h("article", { class: "phone" }, this.screen);
    this.screen.addEventListener("click", () => this.closeMenus());
    this.screen.addEventListener("keydown", (event) => { if (event.key === "Escape") this.closeAll(); });
    this.tick();
    this.home();
  }

  tick() { this.clock.textContent = hour(this.world.now()); }

  get account() { return this.world.accounts.find((account) => account.name === this.guest?.account); }

  home() {
    this.guest = undefined;
    this.items = [];
    this.title.replaceChildren(h("span"), h("b", {}, "微信", h("small", {}, "这部手机在谁手里？ Who holds it?")), h("span"));
    const list = this.world.accounts.map((account) => [
      h("h3", {}, account.title, " · ", account.kind === "official" ? "公众号" : "小程序"),
      this.world.people.filter((person) => person.account === account.name).map((person) =>
        h("button", { type: "button", onclick: () => this.hold(person) }, face(person), h("span", {}, h("b", {}, person.name), h("small", {}, person.about || person.openid)))),
    ]);
    const empty = this.world.people.length ? null : h("p", {}, "还没有人。 Nobody yet: POST /sim/people");
    this.body.replaceChildren(h("div", { class: "people" }, list, empty));
    this.world.changed();
  }

  /** A person takes the phone. */
  async hold(person) {
    this.guest = person;
    this.away = true;
    this.title.replaceChildren(
      h("button", { type: "button", "aria-label": "返回 Back", onclick: () => this.home() }, "‹"),
      h("b", {}, this.account?.title ?? person.account, h("small", {}, `${person.name} 的手机`)),
      h("button", { type: "button", "aria-label": "更多 More", onclick: (event) => { event.stopPropagation(); this.more(); } }, "⋯"));
    this.talk = h("div", { class: "talk" });
    this.body.replaceChildren(this.talk, this.bar());
    await this.reload();
    this.world.changed();
  }

  async reload() {
    if (!this.guest) return;
    const guest = this.guest;
    const { pushes, messages } = await api.history(guest);
    if (guest !== this.guest) return;
    const items = [...pushes.map((push) => ({ kind: "push", at: push.at, push })), ...messages.map((message) => ({ kind: "message", at: message.received_at, message }))];
    this.items = items.sort((a, b) => a.at - b.at || (a.kind === "push" ? -1 : 1)).slice(-SHOWN);
    this.draw();
  }

  /** Something from the stream; ignored when it is for somebody else. */
  hear(kind, data) {
    if (!this.guest || data.openid !== this.guest.openid || data.account !== this.guest.account) return;
    if (kind === "push") this.away = false;
    const known = this.items.find((item) => item.kind === kind && item[kind].seq === data.seq);
    if (known) known[kind] = data;
    else this.items.push({ kind, at: data.at ?? data.received_at, [kind]: data, born: Date.now() });
    this.items = this.items.slice(-SHOWN);
    this.follow = true;
    if (!known || this.world.chosen === known) this.world.choose(this, known ?? this.items.at(-1));
    else this.draw();
  }

  /** Draws the conversation; its place and focus stay unless something new is at its end. */
  draw() {
    const { scrollTop, scrollHeight, clientHeight } = this.talk;
    const stays = !this.follow && scrollHeight - scrollTop - clientHeight > 60;
    const focused = [...this.talk.children].findIndex((line) => line.contains(document.activeElement));
    this.follow = false;
    let before = 0;
    const lines = this.items.flatMap((item) => {
      const gap = item.at - before > GAP_MS;
      before = item.at;
      const line = this.line(item);
      return gap ? [h("div", { class: "hour" }, time(item.at)), line] : [line];
    });
    const again = this.away ? h("div", { class: "again" }, this.entrance()) : "";
    this.talk.replaceChildren(...lines, this.items.length ? again : this.welcome());
    this.talk.scrollTop = stays ? scrollTop : this.talk.scrollHeight;
    this.talk.children[focused]?.querySelector("[tabindex], button")?.focus({ preventScroll: true });
  }

  line(item) {
    const age = Date.now() - item.born;
    const mark = `${this.world.chosen === item ? " selected" : ""}${age < ARRIVAL_MS ? " fresh" : ""}`;
    const style = { "animation-delay": `-${age || 0}ms` };
    const choose = () => this.world.choose(this, item, true);
    if (item.kind === "message") {
      const body = bubble(item.message.message, this);
      const card = body.classList.contains("card");
      pressable(body, () => this.world.choose(this, item, !card));
      return h("div", { class: `line${mark}`, style }, h("span", { class: "face account" }, (this.account?.title ?? "").slice(0, 1)), body);
    }
    const done = deed(item.push, this.account);
    const last = item.push.attempts.at(-1);
    const failed = last && last.status !== 200 ? " failed" : "";
    if (done.note) return h("div", { class: `note${mark}` }, h("button", { type: "button", onclick: choose }, done.note, failed ? " · 未送达" : ""));
    return h("div", { class: `line mine${mark}${failed}`, style }, face(this.guest), pressable(h("div", { class: "bubble" }, done.said), choose));
  }

  welcome() {
    return h("div", { class: "welcome" }, face(this.guest), h("p", {}, this.guest.about || this.guest.name),
      this.entrance());
  }

  entrance() { return h("button", { type: "button", class: "enter", onclick: () => this.enter() }, both("进入会话", "Enter")); }

  /** Time has passed: the guest stands outside again. */
  leave() {
    this.away = true;
    if (this.guest) this.draw();
  }

  enter() { return this.do({ act: "enter" }); }

  async do(what) {
    try {
      const { attempts } = await api.act(this.guest, what);
      const last = attempts.at(-1);
      if (last.status !== 200) this.toast(`网关没有收下：${last.error ?? `HTTP ${last.status}`}`);
    } catch (error) {
      this.toast(error.message);
    }
  }

  /** A tap on an option of a msgmenu. */
  option(id, content) { return this.do({ act: "menu_option", id, content }); }

  /** A tap on a link, as WeChat's own browser opens it: one of the gateway's is asked where it leads. */
  open(address, title) {
    this.closeAll();
    const host = h("span", {}, new URL(address).host);
    const close = h("button", { type: "button", "aria-label": "关闭 Close", onclick: () => this.closeAll() }, "✕");
    const told = h("p", {});
    const page = h("p", { class: "page" });
    this.screen.append(h("section", { class: "sheet", role: "dialog", "aria-label": title, onclick: (event) => event.stopPropagation() },
      h("header", {}, host, close), h("h2", {}, title ?? ""), told, page));
    close.focus();
    if (!/\/c\/[^/]+$/.test(new URL(address).pathname)) { page.replaceChildren(...leads(new URL(address))); return; }
    api.tap(address).then(({ status, location }) => {
      if (location) {
        const there = new URL(location, address);
        host.textContent = there.host;
        page.replaceChildren(...leads(there));
      }
      told.replaceChildren(...(location ? both("这一点已经到了网关，口味从此记住。", "The gateway has this tap; the taste is learned from it.")
        : status === 410 ? both("这条链接已经过期，网关不再指路。", "This link has expired.") : [`网关回答 ${status}，没有说去哪里。`]));
    }).catch((error) => told.replaceChildren(`网关没有回答：${error.message}`));
  }

  bar() {
    const input = h("input", { type: "text", "aria-label": "写一句话 Write", placeholder: "", autocomplete: "off", enterkeyhint: "send" });
    const send = (event) => {
      event.preventDefault();
      const content = input.value.trim();
      if (content) this.do({ act: "text", content });
      input.value = "";
    };
    const form = h("form", { onsubmit: send }, input, h("button", {}, "发送"));
    const menu = this.account?.menu ?? [];
    if (!menu.length) return h("footer", { class: "bar" }, form);
    const buttons = h("div", { class: "buttons" }, menu.map((button) => this.button(button)));
    const bar = h("footer", { class: "bar" }, h("button", { type: "button", "aria-label": "键盘 / 菜单 Keyboard / menu", onclick: () => {
      const writing = form.isConnected;
      bar.lastChild.replaceWith(writing ? buttons : form);
      bar.firstChild.textContent = writing ? "⌨" : "☰";
    } }, "⌨"), buttons);
    return bar;
  }

  button(button) {
    const wrap = h("div", {}, h("button", { type: "button", onclick: (event) => {
      event.stopPropagation();
      this.closeMenus();
      if (!button.sub_button) return this.tapped(button);
      wrap.append(h("div", { class: "submenu" }, button.sub_button.map((inner) => h("button", { type: "button", onclick: () => this.tapped(inner) }, inner.name))));
    } }, button.sub_button ? `≡ ${button.name}` : button.name));
    return wrap;
  }

  tapped(button) {
    if (button.type === "view") {
      this.open(button.url, button.name);
      return this.do({ act: "view", url: button.url });
    }
    return this.do({ act: "click", key: button.key });
  }

  more() {
    const official = this.account?.kind === "official";
    const entry = (label, what) => h("button", { type: "button", onclick: () => this.do(what) }, label);
    this.closeMenus();
    this.screen.append(h("div", { class: "more" }, entry(both("进入会话", "Enter"), { act: "enter" }),
      official && entry(both("关注", "Follow"), { act: "subscribe" }),
      official && entry(both("取消关注", "Unfollow"), { act: "unsubscribe" }),
      official && entry(both("扫一扫", "Scan"), { act: "scan", scene: "counter" })));
  }

  /** Menus and the page of a link. */
  closeAll() {
    this.closeMenus();
    for (const sheet of this.screen.querySelectorAll(".sheet")) sheet.remove();
  }

  closeMenus() { for (const open of this.screen.querySelectorAll(".submenu, .more")) open.remove(); }

  toast(text) {
    const toast = h("div", { class: "toast", role: "status" }, text);
    this.screen.append(toast);
    setTimeout(() => toast.remove(), 4000);
  }
}

/** Names that are reserved for examples: nobody is there. */
const NOBODY = /(^|\.)(example|test|invalid)$|(^|\.)example\.(com|net|org)$/;

/** Where a link leads: to the business's own page, which can only be opened where there is one. */
function leads(there) {
  const whose = both("商家自己的网页：", "The business's own page:");
  if (!NOBODY.test(there.hostname)) return [...whose, " ", h("a", { href: there.href, target: "_blank", rel: "noopener noreferrer" }, there.href, " ↗")];
  return [...whose, " ", h("code", {}, there.href), " ", ...both("这个域名是留给例子的，那里没有网页。", "The name is reserved for examples, so there is no page to open.")];
}

const face = (person) => h("span", { class: "face", style: { "--hue": hue(person.openid) } }, person.name.slice(0, 1));
