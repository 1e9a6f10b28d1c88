// What stands in a conversation: messages that arrived, and what the guest did.

import { both, fields, h, pressable } from "./dom.js";

/** A message as it arrived. `reader` knows what taps do: `open(address, title)`, `option(id, content)`. */
export function bubble(message, reader) {
  const draw = drawn[message.msgtype] ?? unknown;
  return draw(message[message.msgtype] ?? {}, reader, message);
}

const drawn = {
  text: (text, reader) => h("div", { class: "bubble" }, linked(text.content ?? "", reader)),
  news: (news, reader) => card(news.articles?.[0] ?? {}, news.articles?.[0]?.picurl, reader),
  link: (link, reader) => card(link, link.thumb_url, reader),
  miniprogrampage: (page, reader) => card({ title: page.title, description: page.pagepath }, "", reader, "小程序 Mini-program"),
  msgmenu: (menu, reader) =>
    h("div", { class: "bubble" }, menu.head_content ? linked(menu.head_content, reader) : "",
      h("div", { class: "options" }, (menu.list ?? []).map((option) =>
        h("button", { type: "button", onclick: still(() => reader.option(String(option.id), option.content)) }, option.content))),
      menu.tail_content ? h("div", {}, linked(menu.tail_content, reader)) : null),
  image: () => h("div", { class: "bubble" }, "［图片］"),
  voice: () => h("div", { class: "bubble" }, "［语音］"),
};

const unknown = (content, _, message) => h("div", { class: "bubble" }, `［${message.msgtype}］`);

/** A tap that is not also a choice of the message. */
const still = (then) => (event) => { event.preventDefault(); event.stopPropagation(); then(); };

function card(article, picture, reader, kind) {
  const image = picture
    ? h("img", { src: picture, alt: "", onerror: (event) => event.target.replaceWith(h("span", { class: "blank" })) })
    : h("span", { class: "blank" });
  const open = article.url ? () => reader.open(article.url, article.title) : () => reader.toast("这张卡片会打开小程序");
  return pressable(h("div", { class: "card", role: "button" }, image,
    h("b", {}, article.title ?? ""), h("p", {}, article.description ?? ""), kind ? h("footer", {}, kind) : null), open);
}

const LINK = /<a\s+([^>]*)>([\s\S]*?)<\/a>/gi;

/** Only `<a href>` is live in a text; everything else is shown as it was written. */
export function linked(text, reader) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(from, match.index), anchor(match[1], match[2], reader));
    from = match.index + match[0].length;
  }
  return [...parts, text.slice(from)];
}

function anchor(attributes, label, reader) {
  const address = plain(/href\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes)?.slice(1).find((part) => part !== undefined) ?? "");
  const option = /^weixin:\/\/bizmsgmenu\?(.*)$/.exec(address);
  if (option) {
    const asked = new URLSearchParams(option[1]);
    return h("a", { href: "#", onclick: still(() => reader.option(asked.get("msgmenuid") ?? "", asked.get("msgmenucontent") ?? label)) }, label);
  }
  if (!/^https?:\/\//.test(address)) return h("span", {}, label);
  return h("a", { href: address, rel: "noopener noreferrer", onclick: still(() => reader.open(address, label)) }, label);
}

const plain = (address) => address.replaceAll("&amp;", "&");

/** What a push says the guest did: `{ said }` for a bubble, `{ note }` for a line. */
export function deed(push, account) {
  const field = Object.fromEntries(fields(push.document));
  if (field.MsgType === "text") return { said: field.Content ?? "" };
  if (field.MsgType !== "event") return { said: `［${field.MsgType ?? "无法解读 unreadable"}］` };
  const name = (field.Event ?? "").toLowerCase();
  const known = {
    user_enter_tempsession: ["进入会话", "entered"],
    enter: ["进入会话", "entered"],
    subscribe: ["关注了账号", "followed"],
    unsubscribe: ["取消了关注", "unfollowed"],
    scan: [`扫码 ${field.EventKey ?? ""}`, "scanned"],
    click: [`点击菜单「${button(account, field.EventKey)}」`, "menu"],
    view: [`打开菜单「${button(account, field.EventKey)}」`, "menu"],
    location: ["上报了位置", "location"],
  };
  return { note: both(...(known[name] ?? [field.Event, "event"])) };
}

function button(account, key) {
  const all = (account?.menu ?? []).flatMap((top) => [top, ...(top.sub_button ?? [])]);
  return all.find((one) => one.key === key || one.url === key)?.name ?? key ?? "";
}
