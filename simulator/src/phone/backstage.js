// Behind the counter: for one message or push, what was pushed, what it meant, who it was, and what was decided.

import * as api from "./api.js";
import { decision, summary } from "./decision.js";
import { both, fields, h, time } from "./dom.js";
import { person } from "./person.js";

const TRIES = 12;
const PAUSE_MS = 250;

/** Names of the arms of `Event.kind`. */
const KINDS = {
  entered: "进入", subscribed: "关注", unsubscribed: "取消关注", scanned: "扫码", menuClicked: "点击菜单", menuViewed: "打开菜单页",
  locationReported: "上报位置", textReceived: "文字", imageReceived: "图片", voiceReceived: "语音", locationReceived: "位置",
  linkReceived: "链接", linkClicked: "点开链接", unrecognised: "未识别",
};

const kindOf = (event) => Object.keys(KINDS).find((name) => event[name]);

/** The arm for each `Event` of a push that has one. */
const ARMS = {
  user_enter_tempsession: "entered", enter: "entered", subscribe: "subscribed", unsubscribe: "unsubscribed", scan: "scanned",
  click: "menuClicked", view: "menuViewed", location: "locationReported",
};

export class Backstage {
  constructor(element, world) {
    this.world = world;
    this.element = element;
    this.chips = h("div", { class: "chips" });
    this.paper = h("div", { class: "sheets" });
    element.append(h("header", { class: "desk" }, h("h2", {}, both("后台", "Backstage")), this.chips), this.paper);
    this.rest();
  }

  rest() {
    this.paper.replaceChildren(h("div", { class: "rest" },
      h("p", { class: "lead" }, "每一条消息，都有来历。"),
      h("p", {}, "选一位客人，进入会话；再点任意一条消息，这里就说明它从哪次推送来、客人是谁、为什么是这几条。"),
      h("p", { lang: "en" }, "Choose a guest, enter, then tap any message: here is the push it came from, who the guest is, and why it was these items.")));
  }

  /** One chip per phone, to turn to its newest message. */
  guests(phones) {
    const held = phones.filter((phone) => phone.guest);
    this.chips.replaceChildren(...held.map((phone) => h("button", {
      type: "button",
      "aria-pressed": String(phone === this.phone),
      onclick: () => { const last = phone.items.findLast((item) => item.kind === "message") ?? phone.items.at(-1); if (last) this.world.choose(phone, last); },
    }, phone.guest.name)));
    if (this.phone && !held.includes(this.phone)) { this.phone = undefined; this.rest(); }
  }

  async show(phone, item) {
    this.phone = phone;
    if (item !== this.item) this.element.scrollTop = 0;
    this.item = item;
    for (const [n, chip] of [...this.chips.children].entries()) chip.setAttribute("aria-pressed", String(chip.textContent === phone.guest.name || (this.chips.children.length === 1 && n === 0)));
    const guest = phone.guest;
    const turn = (this.turn = {});
    let found = await this.find(phone, item);
    for (let tries = 1; tries < TRIES && found.waiting && this.turn === turn; tries++) {
      this.draw(phone, item, found);
      await new Promise((wake) => setTimeout(wake, PAUSE_MS));
      found = await this.find(phone, item);
    }
    if (this.turn !== turn || phone.guest !== guest) return;
    this.draw(phone, item, { ...found, waiting: false });
  }

  /** The record of the reply that this item belongs to. The outcome is published just after the message is sent. */
  async find(phone, item) {
    try {
      const kept = await api.replies(phone.guest);
      if (kept === undefined) return { alone: true };
      const record = item.kind === "message" ? ofMessage(kept.replies, item.message) : ofPush(kept.replies, item.push);
      const gone = !record && item.at < Number(kept.kept_since_ms ?? 0);
      const known = record?.reply?.decision?.enrichment;
      const profile = known?.profile ?? (await api.profile(phone.guest).catch(() => undefined));
      return { record, profile, habits: known?.habits, asOf: Boolean(known), gone, waiting: !record && !gone };
    } catch (error) {
      return { error };
    }
  }

  draw(phone, item, { alone, error, record, profile, habits, asOf, gone, waiting }) {
    const push = item.kind === "push" ? item.push : pushOf(phone, item, record);
    const now = Number(record?.reply?.endedAtMs ?? item.at);
    const parts = [];
    if (alone) parts.push(h("p", { class: "hint" }, both("模拟器单独运行，没有后台：这里只有推送。", "The simulator runs alone: only the push is known.")));
    if (error) parts.push(h("p", { class: "hint" }, `后台没有回答：${error.message}`));
    if (waiting) parts.push(h("p", { class: "hint waiting" }, both("等待决定发布…", "waiting for the outcome")));
    if (gone) parts.push(h("p", { class: "hint" }, both("时间久了，后台不再保留这件事的决定。", "No longer kept: the backstage has a guest's newest outcomes only.")));
    if (!alone && !error && !waiting && !gone && !record) parts.push(h("p", { class: "hint" }, nothing(item)));
    if (record?.reply) parts.push(summary(record.reply), section("决定", "Decision", decision(record.reply)));
    if (profile) parts.push(section("客人", "Profile", person(profile, habits, now), asOf ? both("决定时所知", "as of the decision") : both("此刻所知", "as of now")));
    const pair = [];
    if (record?.event) pair.push(section("事件", "Event", event(record.event)));
    if (push) pair.push(section("推送", "Push", pushed(push)));
    this.paper.replaceChildren(...parts, h("div", { class: "pair" }, pair));
  }
}

/** Why there is no outcome of something that is not too old for one. */
function nothing(item) {
  if (item.kind === "message") return both("没有找到这条消息的决定。", "No outcome holds this message.");
  const attempts = item.push?.attempts ?? [];
  if (attempts.length && attempts.every((attempt) => attempt.status !== 200)) return both("网关没有收下这次推送，所以没有决定。", "The gateway has not taken this push, so nothing was decided.");
  return both("还没有决定；再点一次，就再看一次。", "No outcome yet: tap it again to look again.");
}

function section(chinese, english, content, note) {
  return h("section", { class: "sheet-part" }, h("h3", {}, both(chinese, english), note ? h("small", {}, note) : null), content);
}

const near = (at) => (a, b) => Math.abs(Number(a.reply?.endedAtMs) - at) - Math.abs(Number(b.reply?.endedAtMs) - at);

function ofMessage(replies, message) {
  const body = canonical(message.message);
  const holds = ({ reply }) => (reply?.parts ?? []).some((part) => same(part.message, body, message.openid));
  return replies.filter(holds).sort(near(message.received_at))[0];
}

/** A part may be recorded without its receiver. */
function same(part, body, openid) {
  try {
    return canonical({ touser: openid, ...JSON.parse(part) }) === body;
  } catch { return false; }
}

const canonical = (value) => JSON.stringify(value, (_, inner) =>
  inner && typeof inner === "object" && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner);

function ofPush(replies, push) {
  const field = Object.fromEntries(fields(push.document));
  const seconds = Number(field.CreateTime);
  const same = ({ event, reply }) => Math.floor(Number(event?.occurredAtMs ?? reply?.occurredAtMs) / 1000) === seconds && (!event || isOf(event, field));
  return replies.filter(same).sort(near(push.at))[0];
}

/** Whether an event is of this push and not of another one in the same second. */
function isOf(event, field) {
  const kind = kindOf(event);
  if (kind === undefined || kind === "unrecognised") return true;
  const inner = event[kind];
  if (field.MsgId) return inner.messageId === field.MsgId;
  return kind === ARMS[(field.Event ?? "").toLowerCase()] && [inner.key, inner.url].every((key) => key === undefined || key === field.EventKey);
}

const createTime = (push) => Number(Object.fromEntries(fields(push.document)).CreateTime);

function pushOf(phone, item, record) {
  const pushes = phone.items.filter((other) => other.kind === "push" && other.at <= item.at).map((other) => other.push);
  const at = Math.floor(Number(record?.event?.occurredAtMs ?? record?.reply?.occurredAtMs ?? NaN) / 1000);
  return pushes.findLast((push) => createTime(push) === at) ?? (record ? undefined : pushes.at(-1));
}

/** Rows of name and value. */
const table = (rows) => h("table", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))));

function event(event) {
  const kind = kindOf(event);
  const inner = Object.entries(event[kind] ?? {}).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  return table([
    ["发生了", h("b", {}, KINDS[kind] ?? "—", " ", h("span", { lang: "en" }, kind ?? ""))],
    ["何时", time(event.occurredAtMs, true)],
    ["收到", time(event.receivedAtMs, true)],
    ...inner,
    ["编号 id", h("code", {}, event.id ?? "")],
  ]);
}

function pushed(push) {
  const deliveries = push.attempts.map((attempt, n) => [`第 ${n + 1} 次`,
    h("span", { class: attempt.status === 200 ? "good" : "bad" }, attempt.status ? `${attempt.status} ${attempt.body.slice(0, 60)}` : attempt.error, ` · ${attempt.ms} ms`)]);
  const inner = fields(push.document);
  const content = inner.length ? inner.map(([name, value]) => [h("code", {}, name), value]) : [["原文", h("code", {}, push.document)]];
  return h("div", {}, table(deliveries), h("div", { class: "document" }, table(content)));
}
