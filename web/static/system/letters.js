// The dead letters: what was refused and why, and the way to send it again.
import { ask, explain, query } from "../ask.js";
import { el, setText } from "../dom.js";
import { bytes, many, unescaped } from "../format.js";
import { button, toast } from "../ui.js";
import { openLetter } from "./letter.js";
import { redriveSheet } from "./redrive.js";
import { ago } from "./words.js";

const page = 50, most = 1000, every = 4000;
const byId = (id) => document.getElementById(id);
const usual = { topic: "", reason: "", state: "open", age: "" }, named = Object.keys(usual), wish = {};
const chosen = new Set();
let shown = page, letters = [], more = false, summary, timer, turn = 0, lost = false;

// What is chosen stands in the address, as letters-topic and so on; state=all stands for every state.
function read() {
  const q = new URLSearchParams(location.search);
  for (const n of named) wish[n] = q.get(`letters-${n}`) ?? usual[n];
  if (!["open", "redriven"].includes(wish.state)) wish.state = "";
  if (!(Number(wish.age) > 0)) wish.age = "";
  byId("age-of-letters").value = wish.age;
  for (const b of document.querySelectorAll("[data-letters]")) b.setAttribute("aria-pressed", String(b.dataset.letters === wish.state));
}

function write() {
  const q = new URLSearchParams(location.search);
  for (const n of named) wish[n] === usual[n] ? q.delete(`letters-${n}`) : q.set(`letters-${n}`, wish[n] || "all");
  history.pushState(null, "", `?${q}${location.hash}`);
}

// The filters as the API knows them.
function filters(without) {
  const f = {};
  for (const name of ["topic", "reason", "state"]) if (wish[name] && name !== without) f[name] = wish[name];
  if (wish.age) f.since = new Date(Date.now() - Number(wish.age) * 1000).toISOString();
  return f;
}

async function beat() {
  const mine = ++turn;
  clearTimeout(timer);
  try {
    const f = filters(), counted = { ...filters("reason") };
    delete counted.state; // the bars show both states
    const [sum, list] = await Promise.all([ask("GET", `/dead-letters/summary?${query(counted)}`), fetchList(f)]);
    if (mine !== turn) return;
    [summary, letters, more] = [sum, list.letters, list.more];
    if (lost) { lost = false; toast("Connected again"); }
    draw();
  } catch (e) {
    if (mine !== turn) return;
    if (!lost) { lost = true; toast(explain(e), "bad"); }
    if (!summary) setText(byId("letters-note"), explain(e));
  }
  timer = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", beat, { once: true }) : beat()), every);
}

// As many letters as are shown, over as many pages as their size makes of them.
async function fetchList(f) {
  const out = [];
  let cursor = null;
  do {
    const q = query({ ...f, limit: Math.min(shown - out.length, most), cursor });
    const got = await ask("GET", `/dead-letters?${q}`);
    out.push(...got.dead_letters);
    cursor = got.next_cursor;
  } while (cursor && out.length < shown);
  return { letters: out, more: cursor !== null };
}

function draw() {
  const open = summary.total - summary.redriven, badge = byId("open");
  badge.hidden = false;
  badge.dataset.state = open ? "bad" : "good";
  setText(badge, open ? `${many(open)} open` : "nothing open");
  drawTopics();
  drawReasons();
  drawTable();
  drawTools();
}

function drawTopics() {
  const select = byId("topic"), names = [...new Set([...Object.keys(summary.topics), ...(wish.topic ? [wish.topic] : [])])].sort();
  if (select.dataset.names === names.join()) return;
  select.dataset.names = names.join();
  select.replaceChildren(el("option", { value: "" }, "All topics"), ...names.map((n) => el("option", { value: n }, n)));
  select.value = wish.topic;
}

let reasons = "";

function drawReasons() {
  const key = JSON.stringify([summary.counts, summary.open, summary.forgotten, wish.reason]);
  if (key === reasons) return;
  reasons = key;
  const codes = Object.keys(summary.counts).sort((a, b) => summary.counts[b] - summary.counts[a] || (a < b ? -1 : 1));
  const holder = byId("reasons"), held = document.activeElement?.dataset?.code;
  setText(byId("reasons-note"), codes.length ? "red is open, green was sent again" : "");
  if (!codes.length) {
    holder.replaceChildren(el("p", { class: "calm" }, summary.forgotten ? "Nothing newer than what the index has let go." : "Nothing was refused in this time. That is how it should be."));
    return;
  }
  const largest = summary.counts[codes[0]];
  holder.replaceChildren(...codes.map((code) => {
    const all = summary.counts[code], open = summary.open[code] ?? 0;
    const bar = (kind, n) => { const b = el("span", { class: kind }); b.style.width = `${(100 * n) / largest}%`; return b; };
    return el("button", { class: "reason", type: "button", "data-code": code, "aria-pressed": String(wish.reason === code), onclick: () => choose("reason", wish.reason === code ? "" : code) },
      el("span", { class: "reason-name" }, code), el("span", { class: "reason-n" }, many(open), ...(all > open ? [el("small", {}, ` of ${many(all)}`)] : [])),
      el("span", { class: "reason-bar", "aria-hidden": "true" }, bar("open", open), bar("done", all - open)));
  }));
  if (held) holder.querySelector(`[data-code="${CSS.escape(held)}"]`)?.focus();
}

const columns = [["pick", ""], ["when", "Received"], ["topic", "Topic"], ["why", "Reason"], ["detail", "What is wrong"], ["state", "State"], ["size", "Size"]];
let drawn = "";

function drawTable() {
  const known = new Set(letters.map((l) => l.id));
  for (const id of chosen) if (!known.has(id)) chosen.delete(id);
  const key = JSON.stringify([letters.map((l) => [l.id, l.state, l.redrive_count]), wish, Math.floor(Date.now() / 30e3)]);
  if (key === drawn) return;
  drawn = key;
  const table = byId("letters"), held = document.activeElement?.closest?.("tr")?.dataset.id, part = document.activeElement?.type;
  const all = el("input", { type: "checkbox", "aria-label": "Choose all that are shown" });
  all.addEventListener("change", () => { for (const l of letters) if (l.state === "open") all.checked ? chosen.add(l.id) : chosen.delete(l.id); drawn = ""; drawTable(); drawTools(); });
  table.replaceChildren(
    el("thead", {}, el("tr", {}, ...columns.map(([name, text]) => el("th", { class: name, scope: "col" }, name === "pick" ? all : text)))),
    el("tbody", {}, ...(letters.length ? letters.map(row) : [el("tr", { class: "empty-row" }, el("td", { class: "nothing", colspan: columns.length }, nothing()))])));
  if (held) table.querySelector(`tr[data-id="${CSS.escape(held)}"] ${part === "checkbox" ? "input" : ".open-letter"}`)?.focus();
}

const nothing = () => (wish.reason || wish.topic || wish.age ? "No letter fits these filters." : wish.state === "open" ? "No open letter. Everything that was refused has been dealt with, or nothing was." : "No letter.");

function row(l) {
  const box = el("input", { type: "checkbox", "aria-label": `Choose letter ${l.id}`, disabled: l.state !== "open" });
  box.checked = chosen.has(l.id);
  const show = () => openLetter(l.id, beat);
  const tr = el("tr", { "data-id": l.id, "aria-selected": String(box.checked) },
    el("td", { class: "pick" }, box),
    el("td", { class: "when", title: l.received_at }, ago(l.received_at)),
    el("td", { class: "topic" }, l.topic ?? "–"),
    el("td", { class: "why" }, el("button", { class: "open-letter", type: "button", title: l.id }, l.reason_code)),
    el("td", { class: "detail", title: l.reason }, [l.pointer, l.reason].filter(Boolean).join(" ")),
    el("td", { class: "state" }, state(l)),
    el("td", { class: "size" }, bytes(l.payload_bytes)));
  box.addEventListener("change", () => { box.checked ? chosen.add(l.id) : chosen.delete(l.id); tr.setAttribute("aria-selected", String(box.checked)); drawTools(); });
  tr.addEventListener("click", (e) => { if (!e.target.closest(".pick") && getSelection().isCollapsed) show(); });
  return tr;
}

const state = (l) => el("span", { class: "badge", "data-state": l.state === "redriven" ? "good" : l.redrive_count ? "warn" : undefined }, l.state === "redriven" ? "redriven" : l.redrive_count ? `open, tried ${l.redrive_count}×` : "open");

function drawTools() {
  const open = (wish.reason ? summary.open[wish.reason] : Object.values(summary.open).reduce((a, b) => a + b, 0)) ?? 0;
  const tools = [];
  if (chosen.size) tools.push(el("span", { class: "chosen" }, `${chosen.size} chosen`), button("Send these again", "again", () => redriveSheet({ ids: [...chosen] }, chosen.size, beat), "primary"), button("Clear", "", clear));
  else if (open && wish.state !== "redriven") tools.push(button(`Send ${open === 1 ? "it" : `all ${many(open)}`} again`, "again", () => redriveSheet({ filter: filters() }, open, beat)));
  const key = tools.map((t) => t.textContent).join("|");
  if (byId("tools").dataset.key !== key) { byId("tools").dataset.key = key; byId("tools").replaceChildren(...tools); }
  setText(byId("letters-note"), letters.length ? `the newest ${many(letters.length)}${more ? "" : ", which is all of them"}` : "");
  byId("end").replaceChildren(...(more ? [button("Show more", "", () => { shown = Math.min(shown + 2 * page, 5 * most); beat(); })] : []));
}

function clear() { chosen.clear(); drawn = ""; drawTable(); drawTools(); }

function choose(name, value) {
  wish[name] = value;
  shown = page;
  chosen.clear();
  write();
  read();
  beat();
}

byId("topic").addEventListener("change", (e) => choose("topic", e.target.value));
byId("age-of-letters").addEventListener("change", (e) => choose("age", e.target.value));
for (const b of document.querySelectorAll("[data-letters]")) b.addEventListener("click", () => choose("state", b.dataset.letters));
const one = unescaped(location.hash.slice(1)); // a link to a letter
if (one && !document.getElementById(one)) openLetter(one, beat);
addEventListener("popstate", () => { read(); beat(); });
read();
beat();
