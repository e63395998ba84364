// Alerts and actions on one line of time.
import { el } from "../dom.js";
import { moment } from "../format.js";
import { about } from "../marks.js";
import { addMenu } from "../panel.js";

const most = 60;

export class Strip {
  constructor(node, head) {
    Object.assign(this, { node, drawn: "", shown: [], acts: [] });
    const time = (t) => (t ? moment(Date.parse(t) / 1000) : "");
    addMenu({
      title: "Alerts and actions", unit: "of this range", head, explain: { what: "Bars are alerts from their beginning to their end, red where they are critical. Dots are changes that were made. The same stand as flags on every chart.", fresh: "What happens is told at once; the rest is asked for every five seconds." },
      table: () => ({ columns: ["what", "name", "whose", "severity or state", "from", "to"], rows: [...this.shown.map((a) => ["alert", a.rule, about(a.key), a.severity, time(a.starts_at), a.ends_at ? time(a.ends_at) : "still firing"]), ...this.acts.map((r) => ["action", r.action, r.target, r.state, time(r.applied_at), ""])] }),
    });
  }

  show({ alerts, responses, more }, span) {
    const length = span.to - span.from, at = (t) => (Date.parse(t) / 1000 - span.from) / length;
    const shown = (alerts ?? []).filter((a) => a.state !== "pending" && at(a.starts_at) <= 1 && (!a.ends_at || at(a.ends_at) >= 0)).slice(0, most), acts = (responses ?? []).filter((r) => r.applied_at && at(r.applied_at) >= 0 && at(r.applied_at) <= 1).slice(0, most);
    Object.assign(this, { shown, acts });
    const key = JSON.stringify([shown.map((a) => [a.id, a.state]), acts.map((r) => [r.id, r.state]), Math.round(span.from / length * 200)]);
    if (key === this.drawn) return;
    this.drawn = key;
    const bars = shown.map((a, i) => {
      const from = Math.max(0, at(a.starts_at)), to = Math.min(1, a.ends_at ? at(a.ends_at) : 1), bad = ["critical", "page"].includes(a.severity);
      const b = el("span", { class: `strip-bar ${bad ? "bad" : "warn"}`, title: `${a.rule} · ${about(a.key)}\n${moment(Date.parse(a.starts_at) / 1000)}${a.ends_at ? ` – ${moment(Date.parse(a.ends_at) / 1000)}` : ", still firing"}` });
      b.style.left = `min(${from * 100}%, 100% - 5px)`;
      b.style.width = `max(4px, ${(to - from) * 100}%)`;
      b.style.top = `${4 + (i % 3) * 8}px`;
      return b;
    });
    const dots = acts.map((r) => { const d = el("span", { class: "strip-dot", title: `${r.action} ${r.target}\n${moment(Date.parse(r.applied_at) / 1000)}` }); d.style.left = `${at(r.applied_at) * 100}%`; return d; });
    this.node.replaceChildren(...bars, ...dots, ...(bars.length + dots.length ? [] : [el("span", { class: "strip-none" }, alerts === undefined ? "…" : alerts === null || responses === null ? "Alerts and actions cannot be asked for here" : more ? "More alerts and actions than can be told; choose a shorter range" : "No alert and no action in this range")]));
  }
}
