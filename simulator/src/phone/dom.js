// Elements and words: everything that is shown goes through here as text, never as markup.

/** An element: `h("b", { class: "x", onclick }, "text", child)`. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, part] of Object.entries(value)) element.style.setProperty(key, part);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Lets an element that is no button answer to a click, and to Enter while it has the focus itself. */
export function pressable(element, then) {
  element.tabIndex = 0;
  element.addEventListener("click", then);
  element.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === element) then(event); });
  return element;
}

/** A label in Chinese, with its English beside it. */
export const both = (chinese, english) => [chinese, " ", h("span", { lang: "en" }, english)];

const two = (number) => String(number).padStart(2, "0");

/** The accounts' day is Beijing's, wherever the browser is: its clock, read as if it were UTC. */
const beijing = (ms) => new Date(Number(ms) + 8 * 3_600_000);

/** `8月2日 09:05`, or with seconds. */
export function time(ms, seconds = false) {
  const at = beijing(ms);
  if (!Number.isFinite(at.getTime()) || Number(ms) === 0) return "—";
  return `${at.getUTCMonth() + 1}月${at.getUTCDate()}日 ${hour(ms)}${seconds ? `:${two(at.getUTCSeconds())}` : ""}`;
}

export const hour = (ms) => `${two(beijing(ms).getUTCHours())}:${two(beijing(ms).getUTCMinutes())}`;

/** The leaves of a pushed document, XML or JSON, as name and text; an empty list if nobody can read it. */
export function fields(text) {
  if (text.trim().startsWith("{")) {
    try {
      return Object.entries(JSON.parse(text)).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
    } catch { return []; }
  }
  const xml = new DOMParser().parseFromString(text, "text/xml");
  if (xml.querySelector("parsererror")) return [];
  return [...xml.documentElement.children].map((child) => [child.tagName, child.textContent.trim()]);
}

/** Celadon, slate, ochre, cinnabar, moss, plum. */
const HUES = [165, 213, 38, 8, 96, 325];

/** A colour that stays with a person. */
export function hue(name) {
  let hash = 0x811c9dc5; // FNV-1a, whose upper half is the better mixed one.
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  return String(HUES[(hash >>> 16) % HUES.length]);
}
