// Calls of the services behind a page, which it reaches at its own origin.
export class Refused extends Error {
  constructor(status, body, retryAfter = null) {
    super(body?.detail ?? `the service answered ${status}`);
    Object.assign(this, { status, body, retryAfter });
  }
}

export const explain = (e) => (e instanceof Refused ? e.message : `This page has a mistake: ${e.message}`);

// A list is a parameter that is there several times.
export const query = (values) => new URLSearchParams(Object.entries(values).flatMap(([k, v]) => [v].flat().filter((x) => x !== undefined && x !== null && x !== "").map((x) => [k, String(x)]))).toString();

// keeps refuses filters that a question cannot take: without one of them it would be another question.
export function keeps(filters, known, what) {
  const other = Object.keys(filters).filter((f) => f !== "without" && !known.includes(f));
  if (other.length) throw new Refused(422, { detail: `${what} cannot be chosen by ${other.join(" and ")}.` });
}

// A browser has six connections to a page's origin. The live stream needs one of them, so questions take four, in the order in which they are asked.
let free = 4;
const waiting = [];
const leave = () => { const next = waiting.shift(); if (next) next(); else free++; };

// match: the ETag that what is written must still have.
export async function ask(method, path, body, signal, match) {
  if (free > 0) free--;
  else await new Promise((go) => waiting.push(go));
  try { signal?.throwIfAborted(); return await answer(method, path, body, signal, match); } finally { leave(); }
}

// lost says that nobody answers. Who does not wait any more is told so; a body that is no JSON says nothing.
export function lost(e) {
  if (e instanceof SyntaxError) return null;
  throw e.name === "AbortError" ? e : new Refused(0, { detail: "hxp does not answer. Is it running?" });
}

async function answer(method, path, body, signal, match) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (match) headers["If-Match"] = match;
  const res = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" }).catch(lost);
  if (res.status === 401 && performance.now() > 1e4) location.reload(); // the session is over: the page is a door then
  const data = await res.json().catch(lost);
  if (!res.ok && !data?.counts) throw new Refused(res.status, data, Number(res.headers.get("Retry-After")) || null); // a redrive that failed for each letter still tells of each
  return data;
}

// Why some sums of a page hold what is left out, by what was asked; changed hears of it.
export const holding = { why: new Map(), changed: () => {} };

// sums asks what adds up what is shown. Where that cannot be done exactly without what is left out, it adds up all, and it is said.
export async function sums(path, values, signal) {
  const { without, from, to, at, window, ...same } = values, key = `${path} ${query(same)}`, get = (more) => ask("GET", `${path}?${query({ ...values, ...more })}`, undefined, signal);
  if (without?.length && !holding.why.has(key)) {
    try { return await get(); } catch (e) {
      if (e.status !== 422) throw e;
      const all = await get({ without: null }), told = e.body?.errors ?? []; // what is wrong beside is refused again
      holding.why.set(key, (told.find((x) => x.pointer?.endsWith("without")) ?? told[0])?.detail ?? e.message);
      holding.changed();
      return all;
    }
  }
  return get({ without: null });
}

export const soon = 300; // ms from what happens to a look at it

// again looks now and then, every() ms after the last look began. It returns what asks for a look within ms: a look that is due is not put off however
// many ask for one, and none begins while one is under way or has only just ended.
export function again(look, every) {
  let timer, due = Infinity, busy = false;
  const arm = () => { clearTimeout(timer); timer = setTimeout(run, due - performance.now()); };
  const run = async () => {
    busy = true;
    due = performance.now() + every();
    try { await look(); } finally {
      busy = false;
      due = Math.max(due, performance.now() + soon);
      arm();
    }
  };
  return (ms = 0) => {
    const at = performance.now() + ms;
    if (at >= due) return;
    due = at;
    if (!busy) arm();
  };
}
