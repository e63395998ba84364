// Calls of kafka-api, which this page reaches at its own origin.
export class Refused extends Error {
  constructor(status, body) {
    super(body?.detail ?? `kafka-api answered ${status}`);
    Object.assign(this, { status, body });
  }
}

export const explain = (e) => (e instanceof Refused ? e.message : `This page has a mistake: ${e.message}`);

export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, v]) => v !== undefined && v !== null && v !== "").map(([k, v]) => [k, String(v)])).toString();

export async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const res = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" }).catch(() => { throw new Refused(0, { detail: "hxp does not answer. Is it running?" }); });
  const data = await res.json().catch(() => null);
  if (!res.ok && !data?.counts) throw new Refused(res.status, data); // a redrive that failed for each letter still tells of each
  return data;
}
