// A reply, readable: how it ended, which rules held, and which items won by which terms.

import { titleOf } from "./api.js";
import { both, h, time } from "./dom.js";

const OUTCOMES = {
  OUTCOME_SENT: ["已送达", "sent", "good"], OUTCOME_SUPPRESSED: ["没有发送", "suppressed", ""], OUTCOME_REFUSED: ["平台拒收", "refused", "bad"],
  OUTCOME_UNKNOWN: ["不得而知", "unknown", "warn"], OUTCOME_EXPIRED: ["已过时", "expired", ""], OUTCOME_SET_ASIDE: ["另行存放", "set aside", "warn"],
};
/** The terms of a score, in the order in which their bars stand. */
const TERMS = { affinity: "口味", preference: "本人所说", freshness: "新近", context: "情境", pin: "编辑置顶", seen: "已看过" };
const RIGHTS = { message: "来信 48 小时", menu: "点菜单 1 分钟", subscribe: "关注 1 分钟", scan: "扫码 1 分钟", enter: "进入 1 分钟" };
const STATES = { SOURCE_STATE_FETCHED: "刚取到", SOURCE_STATE_CACHED: "缓存", SOURCE_STATE_FALLBACK: "备用" };

/** One line: how the event ended, and why. */
export function summary(reply) {
  const [chinese, english, mood] = OUTCOMES[reply.outcome] ?? ["—", "", ""];
  const took = Number(reply.endedAtMs) - Number(reply.occurredAtMs);
  const until = Number(reply.untilMs ?? 0);
  return h("div", { class: `summary ${mood}` },
    h("p", { class: "outcome" }, both(chinese, english)),
    h("p", { class: "because" }, because(reply),
      until ? ` · 到 ${time(until)} 为止` : "", reply.decision?.neutral ? " · 普通版（当时认不出客人）" : ""),
    h("p", { class: "facts" }, parts(reply.parts ?? []), budget(reply.decision?.budget),
      took >= 0 && took < 600_000 ? h("span", { title: "CreateTime 只到秒 CreateTime counts whole seconds" }, `${(took / 1000).toFixed(1)} 秒内`) : null));
}

/** Where nothing was sent, that comes first. */
function because(reply) {
  const reason = reply.reason || `回复「${reply.decision?.reply || "—"}」`;
  return (reply.parts ?? []).length ? reason : [both("没有消息", "no message"), `: ${reason}`];
}

function parts(parts) {
  if (!parts.length) return null;
  const sent = parts.filter((part) => part.outcome === "OUTCOME_SENT").length;
  const codes = parts.filter((part) => part.errcode).map((part) => part.errcode);
  return h("span", {}, `${sent}/${parts.length} 条消息`, codes.length ? ` · errcode ${codes.join(", ")}` : "");
}

function budget(budget) {
  if (!budget?.right) return null;
  const dots = Array.from({ length: Math.min(Math.max(budget.before ?? 0, budget.after ?? 0), 20) }, (_, n) => h("i", { class: n < (budget.after ?? 0) ? "left" : "" }));
  return h("span", { class: "budget", title: `到 ${time(budget.untilMs, true)} 为止` }, `发送权（${RIGHTS[budget.right] ?? budget.right}）`, dots, `余 ${budget.after ?? 0}`);
}

/** The rest of the decision; nothing where none was made. */
export function decision(reply) {
  const made = reply.decision;
  if (!made) return h("p", { class: "none" }, "没有做决定 No decision was made");
  const slots = made.slots ?? [];
  return h("div", { class: "decision" },
    slots.length ? legend() : null,
    slots.map((slot) => shelf(slot)),
    h("div", { class: "pair" },
      h("div", { class: "block" }, h("h4", {}, both("规则", "Rules")), (made.rules ?? []).map((rule) => verdict(rule))),
      h("div", { class: "block" }, h("h4", {}, both("外来的数据与提问", "Sources and question")), sources(made.sources ?? []), question(made))));
}

function verdict(rule) {
  return h("p", { class: `rule ${rule.held ? "held" : ""}` }, h("b", {}, rule.held ? "✓" : "–"), " ", rule.reply, h("small", {}, rule.trigger, rule.reason ? ` · ${rule.reason}` : ""));
}

function sources(sources) {
  return sources.map((source) => h("p", { class: "source" }, source.name, h("span", { class: "tag" }, STATES[source.state] ?? "—"), h("code", {}, leaves(source.value) || "—")));
}

/** The fields of an object, else the text as it came. */
function leaves(value) {
  try {
    return Object.entries(JSON.parse(value)).map(([name, leaf]) => `${name} ${typeof leaf === "string" ? leaf : JSON.stringify(leaf)}`).join(" · ");
  } catch { return value; }
}

function question(made) {
  if (!made.question && !made.askedTrait) return null;
  return h("p", { class: "source" }, made.askedTrait ? `问：${made.askedTrait}` : "没有提问", h("small", {}, made.question ?? ""));
}

const legend = () => h("p", { class: "legend" }, Object.entries(TERMS).map(([name, label]) => h("span", {}, h("i", { class: `term ${name}` }), label, " ", h("span", { lang: "en" }, name))));

/** The terms of a candidate that are not zero, as names and micro-units. */
const termsOf = (candidate) => Object.keys(TERMS).map((name) => [name, Number(candidate.scoreTerms?.[name] ?? 0)]).filter(([, micros]) => micros !== 0);
const shown = (value) => (value / 1e6).toFixed(2);

function shelf(slot) {
  const chosen = new Set(slot.itemIds ?? []);
  const candidates = slot.candidates ?? [];
  const length = (candidate, sign) => termsOf(candidate).reduce((sum, [, micros]) => sum + Math.max(0, sign * micros), 0);
  const gain = (candidate) => length(candidate, 1);
  const loss = (candidate) => length(candidate, -1);
  const most = Math.max(1, ...candidates.map(gain), ...candidates.map(loss));
  const rows = [...candidates].sort((a, b) => chosen.has(b.itemId) - chosen.has(a.itemId)).slice(0, 6);
  return h("div", { class: "shelf" }, h("h4", {}, "栏目 ", h("b", {}, slot.name), h("small", {}, `${chosen.size} 条入选 / ${candidates.length} 条候选`)),
    rows.map((candidate) => row(candidate, chosen.has(candidate.itemId), most)),
    (slot.exclusions ?? []).length ? h("details", {}, h("summary", {}, `排除了 ${slot.exclusions.length} 条`),
      slot.exclusions.map((left) => h("p", {}, titleOf(left.itemId), " ", h("code", {}, left.itemId), " ", left.reason))) : null);
}

function row(candidate, won, most) {
  const terms = termsOf(candidate);
  const pieces = (sign) => terms.filter(([, micros]) => Math.sign(micros) === sign).map(([name, micros]) =>
    h("em", { class: `term ${name}`, style: { width: `${Math.max(0.6, (Math.abs(micros) / most) * 100)}%` }, title: `${TERMS[name]} ${shown(micros)}` }));
  return h("div", { class: `candidate ${won ? "won" : ""}` }, h("span", { class: "item", title: candidate.itemId }, won ? "● " : "", titleOf(candidate.itemId)),
    h("span", { class: "stack" }, h("i", {}, pieces(1)), terms.some(([, micros]) => micros < 0) ? h("i", { class: "minus" }, pieces(-1)) : null),
    h("b", {}, shown(Number(candidate.score ?? 0))));
}
