// Times and intervals as a person reads them. All are UTC, as the intervals are.
const two = (n) => String(n).padStart(2, "0");
const HOUR = 3600e3, DAY = 24 * HOUR;

export const date = (t) => { const d = new Date(t); return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`; };
export const clock = (t) => { const d = new Date(t); return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`; };
export const moment = (t) => (t ? `${date(t)} ${clock(t)}:${two(new Date(t).getUTCSeconds())}` : "–");
export const minute = (t) => (t ? `${date(t)} ${clock(t)}` : "–");

// An interval as a person names it: an hour, a day, a month, or from – to.
export function interval(start, end) {
  const a = new Date(start), b = new Date(end), midnight = (d) => d % DAY === 0;
  if (b - a === HOUR) return `${date(a)} ${clock(a)}\u2013${clock(b)}`;
  if (!midnight(a) || !midnight(b)) return `${minute(a)} \u2013 ${minute(b)}`;
  if (b - a === DAY) return date(a);
  if (a.getUTCDate() === 1 && b.getUTCDate() === 1 && (b.getUTCMonth() - a.getUTCMonth() + 12) % 12 === 1 && b - a < 32 * DAY) return date(a).slice(0, 7);
  return `${date(a)} \u2013 ${date(b - DAY)}`;
}

// How long: "0.4 s", "12 s", "3 min 5 s", "2 h 4 min".
export function long(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 0.0995) return `${Math.max(1, Math.round(s * 1000))}\u2009ms`;
  if (s < 9.95) return `${s.toFixed(1)}\u2009s`;
  if (s < 59.5) return `${Math.round(s)}\u2009s`;
  if (s < 3599.5) return pair(Math.round(s), 60, "min", "s");
  if (s < 48 * 3600) return pair(Math.round(s / 60), 60, "h", "min");
  return `${Math.round(s / 86400)} days`;
}

// A number of small units as so many large ones and a rest that is left out when it is 0.
function pair(n, size, large, small) {
  return `${Math.floor(n / size)}\u2009${large}${n % size ? ` ${n % size}\u2009${small}` : ""}`;
}

// The time from now in one unit: "in 12 min", "3 h ago".
export function away(t, now) {
  const s = (new Date(t) - new Date(now)) / 1000, a = Math.abs(s);
  const text = a < 59.5 ? `${Math.round(a)}\u2009s` : a < 3570 ? `${Math.round(a / 60)}\u2009min` : a < 48 * 3600 ? `${Math.round(a / 3600)}\u2009h` : `${Math.round(a / 86400)} days`;
  return s >= 0 ? `in ${text}` : `${text} ago`;
}

export function took(run, now) {
  if (!run.started_at) return null;
  return (new Date(run.ended_at ?? now) - new Date(run.started_at)) / 1000;
}
