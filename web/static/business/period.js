// The time that the page is about, as the view tells it, and the time before that it is compared with. Days and months are UTC.
export const MINUTE = 60e3, HOUR = 3600e3, DAY = 24 * HOUR;
const fewest = 4; // whole days from which on a span is told by day

const day = (t) => Math.floor(t / DAY) * DAY;
const monthStart = (year, month) => Date.UTC(year, month, 1);
export const nameOfMonth = (t) => new Date(t).toISOString().slice(0, 7);
export const nameOfDay = (t) => new Date(t).toISOString().slice(0, 10);

// monthOf is the span of a month, {from, to}; throws what is wrong with its name.
export function monthOf(text) {
  const [, y, m] = /^(\d{4})-(\d{2})$/.exec(text) ?? [];
  if (!y || m < 1 || m > 12) throw new Error(`"${text}" is not a month such as 2026-03.`);
  return { from: monthStart(+y, m - 1), to: monthStart(+y, +m) };
}

// periodOf is the period of a view: {from, to, end, days, month, before: {from, to}}. From and to are what is asked for, and reach no further than
// now; end is where the period ends, which may be ahead. days: it is told by day. before is how many ms the time before lies back.
export function periodOf(span, live, before, now) {
  const upTo = Math.ceil((now + 1) / MINUTE) * MINUTE, from = Math.floor(span.from / MINUTE) * MINUTE, last = live ? upTo : Math.ceil(span.to / MINUTE) * MINUTE, to = Math.max(from + MINUTE, Math.min(last, upTo));
  const days = from % DAY === 0 && last - from >= fewest * DAY, end = days && live ? day(upTo - 1) + DAY : last;
  const month = nameOfMonth(from), whole = monthOf(month), named = whole.from === from && whole.to === end;
  const back = named ? from - monthOf(nameOfMonth(from - DAY)).from : before;
  return { from, to, end, days, before: { from: from - back, to: Math.min(to - back, from) }, ...(named ? { month } : {}) };
}

// old takes addresses of older versions, ?days=N and ?month=YYYY-MM, and says what the view is set to: {range}, {from, to} in seconds, or null.
export function old(search, now) {
  const q = new URLSearchParams(search);
  if (q.has("month")) {
    const { from, to } = monthOf(q.get("month"));
    if (from > now) throw new Error(`${q.get("month")} has not begun.`);
    return { from: from / 1000, to: to / 1000 };
  }
  if (!q.has("days")) return null;
  const n = Number(q.get("days"));
  if (!(Number.isInteger(n) && n >= 1 && n <= 366)) throw new Error(`"${q.get("days")}" days cannot be shown; give a whole number from 1 to 366.`);
  return { range: (n * DAY) / 1000 };
}

// label names a period of days: "2026-10-28 – 2026-11-26", or one day, or a month.
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
