// A profile, readable: what is known, what was said, what was learned.

import { topicOf } from "./api.js";
import { both, h, time } from "./dom.js";

const SOURCES = { TRAIT_SOURCE_CRM: "客户档案", TRAIT_SOURCE_STATED: "本人所说", TRAIT_SOURCE_ASKED: "问过一次", TRAIT_SOURCE_LEARNED: "从行为得知" };
const LASTS = { TOPIC_KIND_NEWS: ["时事", 7], TOPIC_KIND_REGION: ["地方", 60], TOPIC_KIND_HOBBY: ["爱好", 60], TOPIC_KIND_SERVICE: ["服务", 730] };
const DAY_MS = 86_400_000;

/** `profile` is yingbin.profile.v1.Profile, `habits` the opinions of its Enrichment, `now` in Unix milliseconds. */
export function person(profile, habits, now) {
  const blocks = [
    block("已知", "Known", traits(profile.traits ?? [])),
    block("口味", "Taste", tastes(profile.tastes ?? [], now)),
    block("习惯", "Habits", (profile.habits ?? []).map((habit) => choices(habit, habits?.find((opinion) => opinion.name === habit.name)))),
    block("说过的话", "Said", stances(profile.preferences ?? [])),
    block("到访", "Visits", visit(profile)),
  ];
  return h("div", { class: "person" }, blocks);
}

function block(chinese, english, content) {
  const empty = !content || (Array.isArray(content) && !content.length);
  return h("div", { class: "block" }, h("h4", {}, both(chinese, english)), empty ? h("p", { class: "none" }, "还没有") : content);
}

function traits(traits) {
  return traits.map((trait) => h("div", { class: "trait" }, h("span", {}, trait.name), h("b", {}, trait.value), h("small", {}, SOURCES[trait.source] ?? "")));
}

/** Value at `at_ms`, halved every half-life of its kind. */
function worth(taste, now) {
  const [, days] = LASTS[taste.kind] ?? LASTS.TOPIC_KIND_NEWS;
  const age = Math.max(0, now - Number(taste.atMs ?? 0));
  return (taste.value ?? 0) * 0.5 ** (age / (days * DAY_MS));
}

function tastes(tastes, now) {
  const rows = tastes.map((taste) => ({ ...taste, now: worth(taste, now) })).filter((taste) => Math.abs(taste.now) >= 0.01);
  rows.sort((a, b) => b.now - a.now);
  const most = Math.max(...rows.map((taste) => Math.abs(taste.now)), 0.01);
  return rows.slice(0, 8).map((taste) => bar(topicOf(taste.topic), Math.abs(taste.now) / most, taste.now.toFixed(2), (LASTS[taste.kind] ?? LASTS.TOPIC_KIND_NEWS)[0], taste.now < 0 ? "less" : ""));
}

function choices(habit, opinion) {
  const all = habit.choices ?? [];
  const sum = all.reduce((sum, choice) => sum + (choice.count ?? 0), 0) || 1;
  const sure = !opinion ? null : opinion.clear ? h("span", { class: "tag good" }, `有把握 ${(opinion.probability * 100).toFixed(0)}%`) : h("span", { class: "tag" }, "还不一定");
  return h("div", { class: "habit" }, h("p", {}, habit.name, " ", sure),
    [...all].sort((a, b) => (b.count ?? 0) - (a.count ?? 0)).map((choice) => bar(choice.value, (choice.count ?? 0) / sum, (choice.count ?? 0).toFixed(1), "")));
}

function bar(name, share, value, note, kind = "") {
  return h("div", { class: `bar-row ${kind}` }, h("span", {}, name), h("i", {}, h("em", { style: { width: `${Math.round(share * 100)}%` } })), h("b", {}, value), note ? h("small", {}, note) : null);
}

function stances(preferences) {
  if (!preferences.length) return [];
  return h("p", { class: "tags" }, preferences.map((said) => h("span", { class: said.stance === "STANCE_DROP" ? "tag bad" : "tag good" }, said.stance === "STANCE_DROP" ? "不看 " : "多看 ", topicOf(said.topic))));
}

function visit(profile) {
  const visit = profile.visit;
  if (!visit) return undefined;
  const previous = Number(visit.previousAtMs ?? 0);
  const seen = profile.seen ?? [];
  return h("div", {},
    h("p", {}, "第 ", h("b", { class: "big" }, visit.number ?? 1), " 次到访，始于 ", time(visit.startedAtMs)),
    h("p", {}, previous ? `上一次 ${time(previous)}` : "第一次来", ` · 看过 ${seen.length} 条，点开 ${seen.filter((item) => Number(item.openedAtMs ?? 0) > 0).length} 条`),
    (profile.asked ?? []).length ? h("p", {}, "问过：", profile.asked.map((asked) => asked.trait).join("、")) : null);
}
