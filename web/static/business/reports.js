// The reports: a list with the newest first, and the way to make, open and delete one.
import { ask, query } from "../ask.js";
import { el, setText } from "../dom.js";
import { bytes } from "../format.js";
import { away, interval, moment } from "../scheduler/times.js";
import { button, field, sheet, toast } from "../ui.js";
import { DAY, nameOfDay } from "./period.js";
import { plans } from "./data.js";
import { canWait, notice, whatFailed } from "./words.js";

const page = 10, pollEvery = 1000, lookEvery = 3000;
const names = { hourly_summary: "Hourly summary", daily_summary: "Daily summary", weekly_summary: "Weekly summary", monthly_summary: "Monthly summary", business_intelligence: "Business intelligence", monthly_business_intelligence: "Monthly business intelligence", capacity_analysis: "Capacity analysis", cost: "Cost", test: "Test" };
const pace = { hourly_summary: "day", daily_summary: "day", weekly_summary: "week", business_intelligence: "week", capacity_analysis: "week" };
const nameOf = (type) => names[type] ?? type;
const states = { completed: "good", failed: "bad", running: undefined, queued: undefined };
const over = (r) => r.status === "completed" || r.status === "failed";
const pathOf = (r) => `/reports/${encodeURIComponent(r.id)}`;

export class Reports {
  constructor(node, note, tools) {
    Object.assign(this, { node, note, shown: page, turn: 0 });
    tools.append(button("Make a report", "play", () => this.#make(), "primary"));
    this.node.replaceChildren(el("p", { class: "wait" }, "Looking for reports…"));
  }

  // planned says which reports are made by themselves, and when the next ones are.
  async planned(node) {
    const got = await plans().catch(() => null);
    if (!got) { node.replaceChildren(); return; }
    const [{ delivery }, { dags }, plan] = got, d = dags.find((x) => x.dag_id === "hxp_daily_aggregation");
    const mailed = (x) => { const n = new Set(x.mail.flatMap((m) => m.recipients)).size; return n ? `, to ${n} by mail` : ""; };
    const when = !d || d.disabled ? "the daily run is switched off" : d.paused ? "the daily run is paused" : d.next_run ? `the next daily run is ${away(d.next_run, Date.now())}` : "no daily run is planned";
    node.replaceChildren(el("p", {}, el("strong", {}, "Made by themselves"), el("span", { class: "unit", title: d?.next_run ? `${moment(d.next_run)}, cron ${d.cron}` : false }, ` ${when}`)),
      el("ul", {}, ...plan.schedules.filter((x) => x.made).map((x) => el("li", { class: "badge" }, `${nameOf(x.report_type)}, each ${pace[x.report_type] ?? "month"}${mailed(x)}`)), el("li", {}, button("Change", "", () => this.#change(plan, node), "small"))),
      el("p", { class: "unit" }, `${delivery?.enabled ? `Sent by mail and by routes${delivery.mail ? "" : "; no mail server is set"}` : "Sent to nobody"}. Webhooks and folders: report_distribution in batch-processing-api.yaml.`));
  }

  // change says anew which reports are made by themselves, and who gets them by mail.
  #change(plan, node) {
    const options = (all) => el("select", {}, ...all.map(([value, text]) => el("option", { value }, text)));
    const kind = options(plan.schedules.map((x) => [x.report_type, nameOf(x.report_type)])), made = options([["true", "Yes"], ["false", "No"], ["", "As configured"]]);
    const inputs = ["finance@example.org", "pdf", "at once"].map((placeholder) => el("input", { placeholder })), [to, formats, at] = inputs;
    const of = () => plan.schedules.find((x) => x.report_type === kind.value), parts = (input) => input.value.split(/[\s,]+/).filter(Boolean);
    const allow = () => { for (const i of inputs) i.disabled = !made.value; };
    const fill = () => {
      const x = of(), [m] = x.mail;
      made.value = x.origin === "api" ? String(x.made) : "";
      [m?.recipients.join(", "), m?.formats.join(", "), m?.schedule].forEach((v, i) => { inputs[i].value = v ?? ""; });
      allow();
    };
    kind.addEventListener("change", fill);
    made.addEventListener("change", allow);
    asking("Reports made by themselves", "Save", async () => {
      const x = of(), recipients = parts(to), mail = [...(recipients.length ? [{ recipients, formats: parts(formats), schedule: at.value.trim() }] : []), ...x.mail.slice(1)];
      const said = made.value ? { ...x, made: made.value === "true", origin: "api", mail } : { ...x, origin: "configuration" };
      await ask("PUT", "/reports/schedules", { schedules: plan.schedules.map((y) => (y === x ? said : y)) }, undefined, plan.etag);
      toast("The reports are planned anew");
    }, () => this.planned(node), el("div", { class: "fields" }, field("Report", kind), field("Made by itself", made)), field("Mail to", to), el("div", { class: "fields" }, field("Formats", formats), field("When", at, "cron, such as 0 8 * * 1")));
    fill();
  }

  // load reads the list, and looks again while one of them is being made.
  async load() {
    const mine = ++this.turn;
    clearTimeout(this.timer);
    try {
      const list = await ask("GET", `/reports/list?${query({ limit: Math.min(this.shown, 1000) })}`);
      if (mine !== this.turn) return;
      this.#draw(list);
      if (list.reports.some((r) => !over(r))) this.timer = setTimeout(() => this.load(), lookEvery);
    } catch (e) {
      if (mine === this.turn) this.node.replaceChildren(notice(whatFailed(e, "reports"), canWait(e) ? () => this.load() : null));
    }
  }

  #draw({ reports, next_cursor: more }) {
    const key = JSON.stringify([reports, more, Math.floor(Date.now() / 60e3)]);
    if (key === this.drawn) return;
    this.drawn = key;
    this.list = reports;
    setText(this.note, reports.length ? "newest first" : "");
    if (!reports.length) {
      this.node.replaceChildren(notice("No report yet. The daily run makes those that are due; one can be made here at any time."));
      return;
    }
    this.node.replaceChildren(el("table", { class: "report-table" },
      el("thead", {}, el("tr", {}, ...["Report", "Period", "Format", "Size", "Made", "Status", ""].map((t, i) => el("th", { scope: "col", class: classes[i] }, t || el("span", { class: "visually-hidden" }, "What can be done"))))),
      el("tbody", {}, ...reports.map((r) => this.#row(r)))),
    ...(more ? [el("p", { class: "more-rows" }, button("Show more", "", () => { this.shown += 5 * page; this.load(); }))] : []));
  }

  table() {
    return { columns: ["report", "from", "to", "format", "bytes", "made", "status", "completeness"], rows: (this.list ?? []).map((r) => [nameOf(r.report_type), r.period.start, r.period.end, r.format, r.bytes, r.completed_at ?? r.created_at, r.status, r.completeness]) };
  }

  #row(r) {
    const what = `${nameOf(r.report_type)}, ${interval(r.period.start, r.period.end)}, ${r.format}`;
    const link = (text, more) => el("a", { class: "button small", href: `${pathOf(r)}/content`, "aria-label": `${text}: ${what}`, ...more }, text);
    const remove = el("button", { class: "icon-button", type: "button", title: "Delete", "aria-label": `Delete: ${what}`, onclick: () => this.#remove(r, what) }, "✕");
    return el("tr", { "data-id": r.id },
      el("th", { scope: "row", class: "what" }, nameOf(r.report_type)),
      el("td", { class: "period" }, interval(r.period.start, r.period.end)),
      el("td", { class: "format" }, r.format.toUpperCase()),
      el("td", { class: "size" }, r.bytes === null ? "–" : bytes(r.bytes)),
      el("td", { class: "made", title: moment(r.completed_at ?? r.created_at) }, away(r.completed_at ?? r.created_at, Date.now())),
      el("td", { class: "state" }, el("span", { class: "badge", "data-state": states[r.status], title: r.error || false }, r.status), ...(r.status === "completed" && r.completeness !== null && r.completeness < 1 ? [" ", el("span", { class: "badge", "data-state": "warn", title: "Not everything of the period is aggregated yet" }, "incomplete")] : []), ...(r.error ? [el("p", { class: "row-error" }, r.error)] : [])),
      el("td", { class: "deeds" }, ...(r.status === "completed" ? opening(r, link) : []), remove));
  }

  #remove(r, what) {
    asking("Delete this report?", "Delete", async () => {
      await ask("DELETE", pathOf(r));
      toast("The report is deleted");
    }, () => this.load(), el("p", { class: "sheet-text" }, what), el("p", { class: "sheet-text" }, "Its file goes too. It can be made again while its data are there."));
  }

  // make asks what report is wanted and waits for it.
  async #make() {
    const kind = el("select", {}, ...Object.entries(names).map(([v, t]) => el("option", { value: v }, t)));
    const format = el("select", {}, ...["pdf", "csv", "json"].map((f) => el("option", { value: f }, f.toUpperCase())));
    kind.value = "daily_summary";
    const which = el("select", {}, el("option", { value: "last" }, "The last complete one"), el("option", { value: "own" }, "Days of my choice"));
    const today = Math.floor(Date.now() / DAY) * DAY, first = el("input", { type: "date", value: nameOfDay(today - DAY) }), last = el("input", { type: "date", value: nameOfDay(today - DAY) });
    const own = el("div", { class: "fields", hidden: true }, field("First day", first), field("Last day", last, "with it"));
    const wrong = el("p", { class: "form-error", role: "alert" }), seen = el("div", { class: "making", "aria-live": "polite" });
    const go = el("button", { class: "button primary", type: "submit" }, "Make it");
    which.addEventListener("change", () => { own.hidden = which.value !== "own"; });
    const { box, form } = sheet("Make a report", el("div", { class: "fields" }, field("Report", kind), field("Format", format)), field("Period", which), own, wrong, seen, el("div", { class: "form-end" }, go));
    disableMissing(kind);
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      setText(wrong, "");
      go.disabled = true;
      const stop = ticking(seen);
      try {
        const body = { report_type: kind.value, format: format.value };
        if (which.value === "own") body.period = { start: `${first.value}T00:00:00Z`, end: `${nameOfDay(Date.parse(last.value) + DAY)}T00:00:00Z` };
        const r = await finished(await ask("POST", "/reports/generate", body), () => box.open);
        stop();
        if (r) seen.replaceChildren(outcome(r));
      } catch (err) {
        stop();
        seen.replaceChildren();
        setText(wrong, err instanceof RangeError ? "Choose the first and the last day." : whatFailed(err, "reports"));
      } finally {
        go.disabled = false;
        this.load();
      }
    });
  }
}

// asking is a sheet that does something and is gone when it is done; then() looks anew however it ended.
function asking(title, does, act, then, ...content) {
  const { box, form } = sheet(title, ...content), wrong = el("p", { class: "form-error", role: "alert" }), go = el("button", { class: "button primary", type: "submit" }, does);
  form.append(wrong, el("div", { class: "form-end" }, button("Cancel", "", () => box.close()), go));
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    go.disabled = true;
    try {
      await act();
      box.close();
    } catch (err) {
      setText(wrong, whatFailed(err, "reports"));
    } finally {
      go.disabled = false;
      then();
    }
  });
}

const classes = ["what", "period", "format", "size", "made", "state", "deeds"];

// opening are the ways to a document: a browser shows PDF and JSON by itself, and everything can be kept.
function opening(r, link) {
  const keep = link("Download", { download: true });
  return r.format === "csv" ? [keep] : [link("Open", { href: `${pathOf(r)}/content?inline=true`, target: "_blank", rel: "noopener" }), keep];
}

// finished waits until a report is made; null when nobody waits any more.
async function finished(r, waiting) {
  while (!over(r)) {
    await new Promise((done) => setTimeout(done, pollEvery));
    if (!waiting()) return null;
    r = await ask("GET", pathOf(r));
  }
  return r;
}

function outcome(r) {
  if (r.status === "failed") return el("div", { class: "outcome", "data-state": "bad" }, `It could not be made: ${r.error || "the log of the service says why"}`);
  const link = (text, more) => el("a", { class: "button", href: `${pathOf(r)}/content`, ...more }, text);
  return el("div", { class: "outcome", "data-state": "good" }, el("p", {}, `Done: ${nameOf(r.report_type)}, ${interval(r.period.start, r.period.end)}, ${bytes(r.bytes)}.`), ...(r.warnings ?? []).map((w) => el("p", {}, w)), el("p", { class: "outcome-links" }, ...opening(r, link)));
}

// ticking shows that work goes on, and for how long.
function ticking(node) {
  const began = performance.now(), words = el("span", {}, "Making the report…");
  node.replaceChildren(el("div", { class: "endless", role: "progressbar", "aria-label": "Making the report" }, el("span", {})), words);
  const timer = setInterval(() => setText(words, `Making the report… ${Math.round((performance.now() - began) / 1000)} s`), 1000);
  return () => clearInterval(timer);
}

// disableMissing takes away what this installation does not make.
async function disableMissing(select) {
  const got = await ask("GET", "/reports/status").catch(() => null);
  for (const o of select.options) {
    if (got?.states?.[o.value] !== "disabled") continue;
    o.disabled = true;
    setText(o, `${nameOf(o.value)} (not available)`);
  }
}
