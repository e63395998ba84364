// Tables as files.
const stamp = (t) => new Date(t * 1000).toISOString().replace(".000Z", "Z");

// RFC 4180. Times are UTC, whatever the page shows; what is not known is an empty cell. An apostrophe keeps a spreadsheet from running a text as a formula, as on the server.
export function csv({ names, columns, rows }) {
  const cell = (v) => { const s = v === null || v === undefined ? "" : typeof v === "string" && /^[=+\-@\t\r\n|%]/.test(v) ? `'${v}` : String(v); return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s; };
  const head = columns ?? ["time", ...names], lines = columns ? rows : rows.map(([t, ...v]) => [stamp(t), ...v]);
  return [head, ...lines].map((l) => l.map(cell).join(",")).join("\r\n") + "\r\n";
}
