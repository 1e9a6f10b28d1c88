// The wire: the simulator's control, the stream, and the backstage when there is one.

async function json(answer) {
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.say ?? `HTTP ${answer.status}`);
  return body;
}

export const get = (path) => fetch(path).then(json);

export const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }).then(json);

/** A person does something; resolves when the push was delivered or given up. */
export const act = (guest, what) => post("/sim/act", { account: guest.account, openid: guest.openid, ...what });

export const accounts = () => get("/sim/accounts").then((answer) => answer.accounts);
export const people = () => get("/sim/people").then((answer) => answer.people);

const whose = (guest) => `account=${encodeURIComponent(guest.account)}&openid=${encodeURIComponent(guest.openid)}`;

/** What a person's phone has seen so far, oldest first. */
export async function history(guest) {
  const [{ pushes }, { messages }] = await Promise.all([get(`/sim/pushes?${whose(guest)}`), get(`/sim/messages?${whose(guest)}`)]);
  return { pushes, messages };
}

/** Calls `heard` for every push and message, and `again` whenever some may have been missed. */
export function stream(heard, again) {
  const source = new EventSource("/sim/stream");
  let opened = false;
  source.addEventListener("open", () => { if (opened) again(); opened = true; });
  source.addEventListener("lagged", again);
  for (const kind of ["push", "message"]) {
    source.addEventListener(kind, (event) => { if (event.data) heard(kind, JSON.parse(event.data)); });
  }
}

/** `undefined`: there is no backstage here, the simulator runs alone. */
async function backstage(path) {
  const answer = await fetch(path);
  return answer.status === 404 ? undefined : json(answer);
}

/** What items and topics are called, by id; where nobody knows, the id is the name. */
const titles = {};
const topics = {};
export const titleOf = (id) => titles[id] ?? id;
export const topicOf = (id) => topics[id] ?? id;

/** The outcomes that are kept, `{ replies, kept_since_ms }`. */
export const replies = (guest) => backstage(`/backstage/replies?${whose(guest)}`).then((answer) => {
  Object.assign(titles, answer?.titles);
  Object.assign(topics, answer?.topics);
  return answer;
});

export const profile = (guest) => backstage(`/backstage/profile?${whose(guest)}`).then((answer) => answer?.profile ?? answer);

/** Tells the gateway of a tap on one of its links; resolves to where it leads. */
export const tap = (address) => post("/sim/tap", { address });
