// The time that the page is about, as its address tells it, and the time before that it is compared with. All are UTC.
export const MINUTE = 60e3, HOUR = 3600e3, DAY = 24 * HOUR;
export const spans = [7, 30, 90]; // days to choose from
const usual = 30, longest = 366; // days

const day = (t) => Math.floor(t / DAY) * DAY;
const monthStart = (year, month) => Date.UTC(year, month, 1);
export const nameOfMonth = (t) => new Date(t).toISOString().slice(0, 7);
export const nameOfDay = (t) => new Date(t).toISOString().slice(0, 10);

// periodOf reads an address: {days|month|custom, from, to, end, before: {from, to}, fault}. From and to are what is asked for, and reach no further
// than now; end is where the period ends, which may be ahead.
export function periodOf(search, now) {
  const q = new URLSearchParams(search), upTo = Math.ceil((now + 1) / MINUTE) * MINUTE;
  try {
    if (q.has("month")) return month(q.get("month"), upTo);
    if (q.has("from") || q.has("to")) return custom(q.get("from"), q.get("to"), upTo);
    return lastDays(q.get("days") ?? String(usual), upTo);
  } catch (e) {
    return { ...lastDays(String(usual), upTo), fault: e.message };
  }
}

function lastDays(text, upTo) {
  const n = Number(text);
  if (!spans.includes(n)) throw new Error(`"${text}" days cannot be shown; there are ${spans.join(", ")}.`);
  const end = day(upTo - 1) + DAY, from = end - n * DAY;
  return { days: n, from, to: upTo, end, before: { from: from - n * DAY, to: upTo - n * DAY } };
}

function month(text, upTo) {
  const [, y, m] = /^(\d{4})-(\d{2})$/.exec(text) ?? [];
  if (!y || m < 1 || m > 12) throw new Error(`"${text}" is not a month such as 2026-03.`);
  const from = monthStart(+y, m - 1), end = monthStart(+y, +m), to = Math.min(end, upTo);
  if (from >= to) throw new Error(`${text} has not begun.`);
  const earlier = monthStart(+y, m - 2);
  return { month: text, from, to, end, before: { from: earlier, to: to === end ? from : Math.min(from, earlier + (to - from)) } };
}

function custom(a, b, upTo) {
  const from = time(a, "from"), end = b ? time(b, "to") : upTo, to = Math.min(end, upTo);
  if (from >= to) throw new Error("The period ends before it begins, or has not begun.");
  if (end - from > longest * DAY) throw new Error(`The period is longer than ${longest} days.`);
  return { custom: true, from, to, end, before: { from: from - (to - from), to: from } };
}

function time(text, name) {
  const t = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/.test(text ?? "") ? Date.parse(text) : NaN;
  if (Number.isNaN(t)) throw new Error(`"${text ?? ""}" in ${name} is not a time such as 2026-03-01 or 2026-03-01T10:00:00Z.`);
  return Math.floor(t / MINUTE) * MINUTE;
}

// addressOf is the address of what is chosen.
export function addressOf(search, changes) {
  const q = new URLSearchParams(search);
  if ("days" in changes || "month" in changes || "from" in changes) for (const name of ["days", "month", "from", "to"]) q.delete(name);
  for (const [name, v] of Object.entries(changes)) v ? q.set(name, v) : q.delete(name);
  return `?${q}`;
}

// label names a period: "2026-10-28 – 2026-11-26", or one day, or a month.
export function label({ from, to, month: name }) {
  if (name) return name;
  const first = nameOfDay(from), last = nameOfDay(to - 1);
  return first === last ? first : `${first} \u2013 ${last}`;
}

// months to choose from, the newest first, with the chosen one among them.
export function months(now, chosen, n = 12) {
  const d = new Date(now), names = Array.from({ length: n }, (_, i) => nameOfMonth(monthStart(d.getUTCFullYear(), d.getUTCMonth() - i)));
  if (chosen && !names.includes(chosen)) names.push(chosen);
  return names;
}

// daysOf are the starts of the days of [from, to).
export function daysOf(from, to) {
  const out = [];
  for (let t = day(from); t < to; t += DAY) out.push(t);
  return out;
}

export const instant = (t) => new Date(t).toISOString().replace(".000Z", "Z");
