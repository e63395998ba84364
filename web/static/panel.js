// The menu of a panel: what it shows as a table, a file, a picture, an address or a call, and what its numbers mean.
import { explain } from "./ask.js";
import { csv } from "./csv.js";
import { el, setText } from "./dom.js";
import { isUTC, moment, text, zoneName } from "./format.js";
import { css, scale as unit } from "./palette.js";
import { popover } from "./popover.js";
import { sheet, toast } from "./ui.js";

// addMenu puts the menu into the head of a panel. of: {title, unit, head, table(), canvas?(), link?(), call?(), explain: {what, unit?, error?, fresh?}}.
// table() → {names, rows: [[seconds, values…]], formats, step}, or {columns, rows} of plain texts.
export function addMenu(of) {
  const items = () => [
    of.table && ["View as table", () => openTable(of)],
    of.table && ["Download CSV", () => save(`${slug(of.title)}.csv`, new Blob([csv(of.table())], { type: "text/csv" }))],
    of.canvas && ["Download PNG", () => picture(of)],
    of.link && ["Copy link", () => copy(of.link(), "Link")],
    of.call && ["Copy API call", () => copy(of.call(), "API call")],
    of.explain && ["Explain", () => openExplanation(of)],
  ].filter(Boolean);
  const more = el("button", { class: "more", type: "button", "aria-label": `Menu of ${of.title}`, "aria-haspopup": "menu" }, "⋯");
  more.addEventListener("click", () => popover(more, (close) => el("div", { class: "menu", role: "menu" }, ...items().map(([name, act]) => el("button", { type: "button", role: "menuitem", onclick: () => { close(); try { act(); } catch (e) { toast(explain(e), "bad"); } } }, name)))));
  of.head.append(more);
  return () => openTable(of);
}

// addMenus puts menus into the heads of panels that hold no chart: {id of what the panel shows: {path(), body?(), what, fresh?, table?()}}, where path is what it
// is asked with, and body what is posted there. base() is the address of the page.
export function addMenus(panels, base) {
  for (const [id, { path, body, table, ...about }] of Object.entries(panels)) {
    const title = document.getElementById(`${id}-title`), node = document.getElementById(id);
    addMenu({ title: title.textContent, unit: "", head: title.parentElement, table: table ?? (() => asShown(node)), link: () => `${base()}#${title.id}`, call: () => curl(path(), body?.()), explain: about });
  }
}

// curl is the call of a path, as a shell takes it.
export const curl = (path, body) => `curl '${location.origin}${path}'${body ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'` : ""}`;

// asShown reads what a panel shows: its table, or its facts.
function asShown(node) {
  const words = (n) => n.innerText.replace(/\s+/g, " ").trim(), of = node.closest("table") ?? node.querySelector("table"), listed = node.querySelectorAll(".facts dt");
  if (listed.length) return { columns: ["what", "value"], rows: [...listed].map((dt) => [words(dt), words(dt.nextElementSibling)]) };
  const cells = (row) => [...row.cells].map(words);
  return of?.tHead ? { columns: cells(of.tHead.rows[0]), rows: [...of.tBodies[0].rows].map(cells) } : { columns: [words(node)], rows: [] };
}

const slug = (s) => s.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

function openTable(of) {
  const { names, columns, rows, formats, step } = of.table();
  const head = columns ?? [`Time (${isUTC() ? "UTC" : zoneName()})`, ...names];
  const lines = columns ? rows : rows.map(([t, ...v]) => [moment(t, step), ...v.map((x, i) => text(formats[i](x)))]).reverse();
  const shown = lines.slice(0, 500), told = head.map((_, i) => Boolean(!i || columns && shown.some((l) => /^\p{L}/u.test(l[i] ?? "")))); // words stand on the left, numbers on the right
  const { box } = sheet(of.title, el("p", { class: "sheet-text" }, [of.unit, `${lines.length} rows${lines.length > shown.length ? `, the first ${shown.length} are shown` : ""}`].filter(Boolean).join(" · ")),
    el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": of.title }, el("table", {}, el("thead", {}, el("tr", {}, ...head.map((h, i) => el("th", { scope: "col", class: i ? told[i] && "told" : "left" }, h)))),
      el("tbody", {}, ...shown.map((l) => el("tr", {}, ...l.map((c, i) => (i ? el("td", { class: told[i] && "told" }, c ?? "–") : el("th", { scope: "row", class: "left" }, c ?? "–")))))))));
  box.classList.add("wide-sheet");
}

function openExplanation(of) {
  const { what, unit = of.unit, error, fresh } = of.explain;
  sheet(of.title, el("p", { class: "sheet-text" }, what), el("dl", { class: "facts plain" }, ...[["Unit", unit], ["Error bound", error], ["Freshness", fresh]].filter(([, v]) => v).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)])));
}

function save(name, blob) {
  const url = URL.createObjectURL(blob), a = el("a", { href: url, download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// The picture with its title, on the colour of the panel.
function picture(of) {
  const from = of.canvas();
  if (!from) { toast("There is no picture yet.", "bad"); return; }
  const scale = devicePixelRatio * unit(), pad = 16 * scale, head = 34 * scale, to = el("canvas", { width: from.width + 2 * pad, height: from.height + head + pad }), c = to.getContext("2d");
  c.fillStyle = css("--surface");
  c.fillRect(0, 0, to.width, to.height);
  c.fillStyle = css("--text");
  c.font = `600 ${13 * scale}px ${css("--sans")}`;
  c.fillText(`${of.title}${of.unit ? `  –  ${of.unit}` : ""}`, pad, 22 * scale);
  c.drawImage(from, pad, head);
  to.toBlob((blob) => save(`${slug(of.title)}.png`, blob));
}

export async function copy(words, what) {
  try { await navigator.clipboard.writeText(words); toast(`${what} copied.`); } catch {
    const { form } = sheet(what, el("p", { class: "sheet-text" }, "The browser does not let this page copy. Here it is:"), el("textarea", { readonly: true, rows: 4, "aria-label": what }));
    const area = form.querySelector("textarea");
    setText(area, words);
    area.select();
  }
}
