// The page: phones at the left, backstage at the right, one stream for both.

import * as api from "./api.js";
import { Backstage } from "./backstage.js";
import { time } from "./dom.js";
import { Phone } from "./phone.js";

const at = (id) => document.getElementById(id);
const main = document.querySelector("main");
const phones = [];
let offset = 0;

const world = {
  accounts: [],
  people: [],
  chosen: undefined,
  now: () => Date.now() + offset,
  /** Shows an item backstage; `asked` when a person tapped it, which on a narrow page also turns to it. */
  choose(phone, item, asked = false) {
    const before = phones.find((one) => one.items.includes(world.chosen));
    world.chosen = item;
    for (const one of new Set([before, phone])) if (one?.guest) one.draw();
    backstage.show(phone, item);
    if (asked && item.kind === "message" && matchMedia("(max-width: 860px)").matches) view("backstage");
  },
  changed() {
    const guests = phones.filter((phone) => phone.guest);
    at("together").hidden = guests.length < 2;
    backstage.guests(phones);
    const address = new URLSearchParams();
    if (guests[0]) { address.set("account", guests[0].guest.account); address.set("openid", guests[0].guest.openid); }
    if (guests[1]) address.set("second", guests[1].guest.openid);
    history.replaceState(null, "", guests.length ? `?${address}` : location.pathname);
  },
};
const backstage = new Backstage(at("backstage"), world);

function view(name) {
  main.dataset.view = name;
  for (const button of document.querySelectorAll("[data-view]")) {
    if (button !== main) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  }
}

function add() {
  const phone = new Phone(world);
  phones.push(phone);
  at("phones").append(phone.element);
  return phone;
}

/** The second phone is in the hand of the next person of the same account. */
async function second(openid) {
  const first = phones[0].guest;
  const others = world.people.filter((person) => person.openid !== first?.openid && (!first || person.account === first.account));
  const phone = add();
  const person = others.find((other) => other.openid === openid) ?? (first ? others[0] : undefined);
  at("second").setAttribute("aria-pressed", "true");
  if (person) await phone.hold(person);
  phone.element.scrollIntoView({ inline: "center", block: "nearest" });
}

function leave() {
  phones.pop().element.remove();
  at("second").setAttribute("aria-pressed", "false");
  world.changed();
}

async function readClock() {
  offset = (await api.get("/sim/clock")).now_ms - Date.now();
  tick();
}

function tick() {
  at("clock").textContent = time(world.now(), true);
  for (const phone of phones) phone.tick();
}

function listen() {
  api.stream((kind, data) => phones.forEach((phone) => phone.hear(kind, data)), () => phones.forEach((phone) => phone.reload()));
  setInterval(tick, 1000);
  setInterval(() => readClock().catch(() => undefined), 10_000);
  at("second").addEventListener("click", () => (phones.length > 1 ? leave() : second()));
  at("together").addEventListener("click", () => Promise.all(phones.map((phone) => phone.enter())));
  for (const button of document.querySelectorAll("button[data-view]")) button.addEventListener("click", () => view(button.dataset.view));
  for (const button of document.querySelectorAll("[data-advance]")) {
    button.addEventListener("click", () => api.post("/sim/clock", { advance_ms: Number(button.dataset.advance) }).then(readClock).then(() => phones.forEach((phone) => phone.leave())));
  }
}

async function start() {
  [world.accounts, world.people] = await Promise.all([api.accounts(), api.people()]);
  await readClock();
  const asked = new URLSearchParams(location.search);
  const first = add();
  listen();
  const person = world.people.find((one) => one.account === asked.get("account") && one.openid === asked.get("openid"));
  if (person) await first.hold(person);
  if (asked.has("second")) await second(asked.get("second"));
  const last = first.items.findLast((item) => item.kind === "message") ?? first.items.at(-1);
  if (last) world.choose(first, last);
}

start();
