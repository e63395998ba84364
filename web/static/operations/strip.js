// Alerts, actions and deployments on one line of time.
import { query } from "../ask.js";
import { el } from "../dom.js";
import { moment } from "../format.js";
import { about, words } from "../marks.js";
import { addMenu, curl } from "../panel.js";

const most = 60;

export class Strip {
  constructor(node, head, view) {
    Object.assign(this, { node, drawn: "", shown: [], acts: [], works: [] });
    const time = (t) => (t ? moment(Date.parse(t) / 1000) : "");
    addMenu({
      title: "Alerts and changes", unit: "of this range", head, link: () => view.link(), call: () => { const { from, to } = view.query(); return curl(`/alerts?${query({ on_since: from, until: to })}`); }, explain: { what: "Bars are alerts from their beginning to their end, red where they are critical. Dots are actions that were taken. Diamonds are deployments: business events that tell of one, and models and prompt versions that were seen for the first time. The same stand as flags on every chart; beyond sixty those of warnings do not.", fresh: "What happens is told at once; the rest is asked for every five seconds." },
      table: () => ({ columns: ["what", "name", "whose", "severity or state", "from", "to"], rows: [...this.shown.map((a) => ["alert", a.rule, about(a.key), a.severity, time(a.starts_at), a.ends_at ? time(a.ends_at) : "still firing"]), ...this.acts.map((r) => ["action", r.action, r.target, r.state, time(r.applied_at), ""]), ...this.works.map((d) => ["deployment", d.title, words(d), d.source, time(d.at), ""])] }),
    });
  }

  show({ alerts, responses, deployments, more }, span) {
    const length = span.to - span.from, at = (t) => (Date.parse(t) / 1000 - span.from) / length;
    const shown = (alerts ?? []).filter((a) => a.state !== "pending" && at(a.starts_at) <= 1 && (!a.ends_at || at(a.ends_at) >= 0)).slice(0, most), acts = (responses ?? []).filter((r) => r.applied_at && at(r.applied_at) >= 0 && at(r.applied_at) <= 1).slice(0, most), works = (deployments ?? []).filter((d) => at(d.at) >= 0 && at(d.at) <= 1).slice(0, most);
    Object.assign(this, { shown, acts, works });
    const none = alerts === undefined ? "…" : alerts === null || responses === null ? "Alerts and actions cannot be asked for here" : more ? "More alerts and actions than can be told; choose a shorter range" : "No alert and no change in this range";
    const key = JSON.stringify([shown.map((a) => [a.id, a.state]), acts.map((r) => [r.id, r.state]), works.map((d) => d.id), none, shown.length + acts.length + works.length && Math.round(span.from / length * 200)]);
    if (key === this.drawn) return;
    this.drawn = key;
    const bars = shown.map((a, i) => {
      const from = Math.max(0, at(a.starts_at)), to = Math.min(1, a.ends_at ? at(a.ends_at) : 1), bad = ["critical", "page"].includes(a.severity);
      const b = el("span", { class: `strip-bar ${bad ? "bad" : "warn"}`, title: `${a.rule} · ${about(a.key)}\n${moment(Date.parse(a.starts_at) / 1000)}${a.ends_at ? ` – ${moment(Date.parse(a.ends_at) / 1000)}` : ", still firing"}` });
      b.style.left = `min(${from * 100}%, 100% - .5rem)`;
      b.style.width = `max(.4rem, ${(to - from) * 100}%)`;
      b.style.top = `${0.4 + (i % 3) * 0.8}rem`;
      return b;
    });
    const dot = (kind, t, what) => { const d = el("span", { class: `strip-dot ${kind}`, title: `${what}\n${moment(Date.parse(t) / 1000)}` }); d.style.left = `${at(t) * 100}%`; return d; };
    const dots = [...acts.map((r) => dot("act", r.applied_at, `${r.action} ${r.target}`)), ...works.map((d) => dot("deploy", d.at, [d.title, words(d)].filter(Boolean).join(": ")))];
    this.node.replaceChildren(...bars, ...dots, ...(bars.length + dots.length ? [] : [el("span", { class: "strip-none" }, none)]));
  }
}
