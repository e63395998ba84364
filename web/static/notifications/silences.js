// Silences: what is not told for a time, who said so and why.
import { Refused, ask, explain, query } from "../ask.js";
import { el, setText } from "../dom.js";
import { many } from "../format.js";
import { confirm, keep, named } from "../operations/decide.js";
import { field } from "../ui.js";
import { act, at, draw, time } from "./list.js";

const lasts = [[1800, "30 minutes"], [3600, "1 hour"], [7200, "2 hours"], [28_800, "8 hours"], [86_400, "1 day"], [259_200, "3 days"], [604_800, "1 week"]];
const op = (m) => (m.isRegex ? (m.isEqual === false ? "!~" : "=~") : m.isEqual === false ? "!=" : "=");
const text = (m) => `${/^[^\s"=!~]+$/.test(m.name) ? m.name : JSON.stringify(m.name)}${op(m)}${JSON.stringify(m.value)}`;
const exact = (m) => `${JSON.stringify(m.name)}${op(m)}${JSON.stringify(m.value)}`; // as the API reads any name

const wrong = (detail) => new Refused(422, { detail });

// parse reads one condition a line, such as model="m1" or team=~"a|b".
export function parse(words) {
  return words.split("\n").map((l) => l.trim()).filter(Boolean).map((line) => {
    const m = /^("(?:[^"\\]|\\.)*"|[^\s"=!~]+)\s*(=~|!~|!=|=)\s*(.*)$/.exec(line);
    if (!m) throw wrong(`${line}: write a condition such as model="m1" or team=~"a|b"`);
    let [name, value] = [m[1], m[3]];
    try { [name, value] = [name, value].map((s) => (s.startsWith('"') ? JSON.parse(s) : s)); } catch { throw wrong(`${line}: a quotation mark is missing`); }
    return { name, value, isRegex: m[2].endsWith("~"), isEqual: !m[2].startsWith("!") };
  });
}

export class Silences {
  constructor(node, again) { Object.assign(this, { node, again, past: false }); }

  show(silences) {
    this.silences = silences;
    const some = silences.filter((s) => this.past || s.status.state !== "expired");
    draw(this.node, [some, this.past], () => (some.length ? some.slice(0, 200).map((s) => this.#row(s)) : [el("p", { class: "wait" }, this.past ? "There was no silence." : "Nothing is silenced.")]));
  }

  #row(s) {
    const over = s.status.state === "expired", name = s.matchers.map(text).join(", ");
    return el("article", { class: "told-row" },
      el("p", { class: "told-what" }, el("code", {}, name)),
      el("p", { class: "told-text" }, el("span", { class: "badge", "data-state": over ? undefined : "warn" }, s.status.state), ` ${over ? "ended" : s.status.state === "pending" ? "from" : "until"} `, time(s.status.state === "pending" ? s.startsAt : s.endsAt), ` · ${s.createdBy}: ${s.comment}`),
      el("span", { class: "told-act" }, ...(over ? [act("Again", s.id, `Silence again: ${name}`, () => openSilence(null, this.again, s))] : [act("End", s.id, `End the silence ${name}`, () => this.#end(s, name))])));
  }

  #end(s, name) {
    confirm("End this silence?", "End it", [el("p", { class: "sheet-text" }, el("code", {}, name)), el("p", { class: "sheet-text" }, `${s.createdBy}: ${s.comment}. What it holds back is told from then on.`)], () => ask("DELETE", `/notifications/silences/${encodeURIComponent(s.id)}`), this.again);
  }
}

// openSilence makes a silence, with a look at what it holds back. set: labels to begin with; like: a silence to begin with.
export function openSilence(set, again, like) {
  const words = el("textarea", { rows: 4, spellcheck: "false", required: true }), why = el("input", { type: "text", maxlength: "4000", value: like?.comment ?? "" }), who = named();
  words.value = (like?.matchers ?? Object.entries(set ?? {}).map(([name, value]) => ({ name, value }))).map(text).join("\n");
  const long = el("select", {}, ...lasts.map(([s, name]) => el("option", { value: s }, name)));
  long.value = 7200;
  const fits = el("div", { class: "told-fits", role: "status" });
  let turn = 0, timer;
  const look = async () => {
    const mine = ++turn;
    try {
      const wish = parse(words.value);
      const found = wish.length ? await ask("GET", `/api/v2/alerts?${wish.map((m) => query({ filter: exact(m) })).join("&")}`) : [];
      if (mine === turn) fits.replaceChildren(el("p", {}, !wish.length ? "It needs a condition." : found.length ? `It holds back ${many(found.length)} of the alerts that fire now, and all that come and fit:` : "Nothing that fires now fits. It holds back what comes and fits."),
        el("ul", { class: "plain-list" }, ...found.slice(0, 8).map((a) => el("li", {}, `${a.labels.alertname ?? "alert"} ${Object.entries(a.labels).filter(([k]) => k !== "alertname").map(([k, v]) => `${k}=${v}`).join(" ")}`)), ...(found.length > 8 ? [el("li", {}, `and ${many(found.length - 8)} more`)] : [])));
    } catch (e) { if (mine === turn) fits.replaceChildren(el("p", { class: "form-error" }, explain(e))); }
  };
  words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 250); });
  look();
  confirm("Silence alerts", "Silence", [field("Conditions, one a line; all of them have to hold", words, 'model="m1", severity!="critical", team=~"web|app"'), fits, el("div", { class: "fields" }, field("For", long), field("Your name", who)), field("Why", why)], async () => {
    const by = who.value.trim(), now = Date.now();
    keep(by);
    const made = await ask("POST", "/notifications/silences", { matchers: parse(words.value), startsAt: new Date(now).toISOString(), endsAt: new Date(now + long.value * 1000).toISOString(), createdBy: by, comment: why.value.trim() });
    setText(document.getElementById("announce"), `Silenced until ${at(made.endsAt)}`);
  }, again);
}
