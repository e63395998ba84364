// Calls of the services behind a page, which it reaches at its own origin.
export class Refused extends Error {
  constructor(status, body, retryAfter = null) {
    super(body?.detail ?? `the service answered ${status}`);
    Object.assign(this, { status, body, retryAfter });
  }
}

export const explain = (e) => (e instanceof Refused ? e.message : `This page has a mistake: ${e.message}`);

export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, v]) => v !== undefined && v !== null && v !== "").map(([k, v]) => [k, String(v)])).toString();

// A browser has six connections to a page's origin. The live stream needs one of them, so questions take four, in the order in which they are asked.
let free = 4;
const waiting = [];
const leave = () => { const next = waiting.shift(); if (next) next(); else free++; };

export async function ask(method, path, body, signal) {
  if (free > 0) free--;
  else await new Promise((go) => waiting.push(go));
  try { signal?.throwIfAborted(); return await answer(method, path, body, signal); } finally { leave(); }
}

async function answer(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const res = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" }).catch((e) => { throw e.name === "AbortError" ? e : new Refused(0, { detail: "hxp does not answer. Is it running?" }); });
  const data = await res.json().catch(() => null);
  if (!res.ok && !data?.counts) throw new Refused(res.status, data, Number(res.headers.get("Retry-After")) || null); // a redrive that failed for each letter still tells of each
  return data;
}
