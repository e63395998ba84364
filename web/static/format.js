// Numbers and times for people. Absent is "–", never 0.
export const NONE = "–";
const there = (v) => typeof v === "number" && Number.isFinite(v);
const digits = new Map();
let finer = 0; // so many more digits, for axes
function fixed(v, n) {
  n += finer;
  if (!digits.has(n)) digits.set(n, new Intl.NumberFormat("en", { minimumFractionDigits: n, maximumFractionDigits: n }));
  return digits.get(n).format(v);
}

// Three significant digits, with k, M, G beyond a thousand: [number, unit].
export function si(v) {
  if (!there(v)) return [NONE, ""];
  const a = Math.abs(v);
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (a >= size * 0.9995) { const x = v / (unit === "k" ? 1e3 : size); return [fixed(x, x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2), unit]; }
  }
  return [a >= 99.95 || a === 0 ? fixed(v, 0) : a >= 9.995 ? fixed(v, 1) : fixed(v, 2), ""];
}

export function count(v) {
  if (!there(v)) return [NONE, ""];
  return Math.abs(v) < 1e5 ? [fixed(v, 0), ""] : si(v);
}

// How many on average: whole numbers stay whole, and parts of one have two digits.
export function amount(v) {
  if (!there(v)) return [NONE, ""];
  return Math.abs(v) >= 1000 ? si(v) : [fixed(v, Number.isInteger(v) || Math.abs(v) >= 99.5 ? 0 : Math.abs(v) < 0.995 ? 2 : 1), ""];
}

// Milliseconds: [number, unit].
export function ms(v) {
  if (!there(v)) return [NONE, ""];
  if (v >= 599_500) return [fixed(v / 60_000, 1), "min"];
  if (v >= 9_995) return [fixed(v / 1000, v >= 99_950 ? 0 : 1), "s"];
  if (v >= 999.5) return [fixed(v / 1000, 2), "s"];
  return [fixed(v, v >= 9.95 ? 0 : 1), "ms"];
}

// A ratio 0–1 as percent.
export function percent(v) {
  if (!there(v)) return [NONE, ""];
  const p = v * 100;
  return [fixed(p, p === 0 || p >= 99.95 ? 0 : p >= 9.995 ? 1 : 2), "%"];
}

export const percentOf100 = (v) => percent(there(v) ? v / 100 : v);

export const many = (n) => n.toLocaleString("en");
export const bytes = (n) => (!there(n) ? NONE : n >= 999.5e6 ? `${(n / 1e9).toFixed(n < 9.95e9 ? 2 : 1)} GB` : n < 1000 ? `${n} B` : n < 999_500 ? `${(n / 1000).toFixed(n < 9950 ? 1 : 0)} kB` : `${(n / 1e6).toFixed(1)} MB`);

// Money that is not nothing is never shown as 0: below a cent it has two digits, as far as nano-USD go.
export function usd(v) {
  if (!there(v)) return [NONE, ""];
  if (v < 0) { const [n, u] = usd(-v); return [`\u2212${n}`, u]; }
  if (v > 0 && v < 0.00995) return [`$${fixed(v, Math.min(9, 1 - Math.floor(Math.log10(v))))}`, ""];
  if (Math.abs(v) >= 9_995) { const [n, u] = si(v); return [`$${n}`, u]; }
  return [`$${fixed(v, Math.abs(v) >= 99.95 || v === 0 ? 0 : 2)}`, ""];
}

export function score(v) { return there(v) ? [fixed(v, 2), ""] : [NONE, ""]; }

// A label of an axis: with all digits of a value that has few, which tell it from its neighbours, without needless zeros, and a bare 0.
export const tick = (format, v) => {
  finer = 4;
  let [n, unit] = format(v);
  finer = 0;
  if (!n.endsWith("0")) [n, unit] = format(v);
  const short = n.includes(".") ? n.replace(/\.?0+$/, "") : n;
  return short === "0" || short === "$0" ? short : text([short, unit]);
};

export const text = ([n, unit]) => (unit ? `${n}\u2009${unit}` : n);

// Times are local ones or UTC, as the reader wishes, everywhere alike.
let formats, utc = false;
export function setZone(zone) {
  utc = zone === "utc";
  const make = (o) => new Intl.DateTimeFormat("en-GB", { ...o, ...(utc ? { timeZone: "UTC" } : {}) });
  const time = { hour: "2-digit", minute: "2-digit" };
  formats = { clock: make({ ...time, second: "2-digit" }), minute: make(time), day: make({ day: "numeric", month: "short" }), year: make({ day: "numeric", month: "short", year: "numeric" }) };
}
setZone("local");
export const isUTC = () => utc;
export const zoneName = () => (utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local time");
export const clock = (seconds) => formats.clock.format(seconds * 1000);
export const minute = (seconds) => formats.minute.format(seconds * 1000);
export const day = (seconds) => formats.day.format(seconds * 1000);

// A moment, with its day when that is not today, as finely as steps of so many seconds can be told apart.
export function moment(seconds, step = 1, now = Date.now() / 1000) {
  const today = formats.year.format(seconds * 1000) === formats.year.format(now * 1000), near = Math.abs(now - seconds) < 300 * 86400;
  const date = near ? day(seconds) : formats.year.format(seconds * 1000);
  if (step >= 86400) return date;
  const time = step < 60 ? clock(seconds) : minute(seconds);
  return today ? time : `${date}, ${time}`;
}

// A span between two moments.
export function between(from, to, step = 1) {
  const a = moment(from, step), b = moment(to, step), cut = b.lastIndexOf(", ");
  if (step >= 86400 && to - from <= step) return a;
  return `${a} – ${cut > 0 && a.startsWith(b.slice(0, cut + 2)) ? b.slice(cut + 2) : b}`;
}

// A span of time: "0.8 s", "12 s", "3 min".
export function span(seconds) {
  if (!there(seconds)) return NONE;
  if (seconds < 9.95) return `${fixed(Math.max(seconds, 0), 1)}\u2009s`;
  if (seconds < 99.5) return `${fixed(seconds, 0)}\u2009s`;
  if (seconds < 5940) return `${fixed(seconds / 60, 0)}\u2009min`;
  if (seconds < 172_000) return `${fixed(seconds / 3600, 1)}\u2009h`;
  return `${fixed(seconds / 86400, 0)}\u2009days`;
}

// A part of an address as text; what is no text there stays as it is.
export const unescaped = (s) => { try { return decodeURIComponent(s); } catch { return s; } };
