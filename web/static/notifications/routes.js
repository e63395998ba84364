// Routes and receivers as they are configured, and a way to try each receiver.
import { ask, explain } from "../ask.js";
import { el } from "../dom.js";
import { button, field, sheet } from "../ui.js";
import { act, draw } from "./list.js";

// ways are how a receiver is told, in words; secrets are named by where they are, and addresses are shown as their host.
const kinds = { webhook_configs: ["webhook", (c) => c.url], email_configs: ["mail", (c) => c.to], slack_configs: ["Slack", (c) => c.channel ?? c.api_url], msteamsv2_configs: ["Teams", (c) => c.webhook_url], pagerduty_configs: ["PagerDuty", (c) => c.routing_key], discord_configs: ["Discord", (c) => c.webhook_url], telegram_configs: ["Telegram", (c) => c.chat_id], console_configs: ["log", () => "of hxp"] };
const ways = (r) => Object.entries(kinds).flatMap(([key, [name, of]]) => (r[key] ?? []).map((c) => [name, of(c)].filter(Boolean).join(" ")));

// rhythm says what a route does differently from the one above.
function rhythm(r) {
  const parts = [];
  if (r.group_by) parts.push(r.group_by.length ? `gathers by ${r.group_by.join(", ")}` : "gathers all together");
  for (const [key, name] of [["group_wait", "waits"], ["group_interval", "next after"], ["repeat_interval", "repeats each"]]) if (r[key]) parts.push(`${name} ${r[key]}`);
  if (r.mute_time_intervals?.length) parts.push(`quiet ${r.mute_time_intervals.join(", ")}`);
  if (r.active_time_intervals?.length) parts.push(`only ${r.active_time_intervals.join(", ")}`);
  for (const e of r.escalate ?? []) parts.push(`to ${e.receiver} when nobody acknowledges for ${e.after}`);
  if (r.continue) parts.push("and goes on to the next");
  return parts.join(" · ");
}

export class Routes {
  constructor(tree, list) { Object.assign(this, { tree, list }); }

  show(config) {
    draw(this.tree, config.route, () => [el("ul", { class: "route-tree" }, this.#route(config.route, true))]);
    draw(this.list, config.receivers, () => config.receivers.map((r) => el("article", { class: "told-row" },
      el("p", { class: "told-what" }, el("strong", {}, r.name)), el("p", { class: "told-text" }, ways(r).join(" · ") || "tells nobody"),
      el("span", { class: "told-act" }, ...(ways(r).length ? [act("Try", r.name, `Try the receiver ${r.name}`, () => openTry(r.name))] : [])))));
  }

  #route(r, first) {
    return el("li", {}, el("p", {}, first ? "everything" : el("code", {}, (r.matchers ?? []).join(", ") || "everything"), " → ", el("strong", {}, r.receiver ?? "as above")), el("p", { class: "told-text" }, rhythm(r)),
      ...(r.routes?.length ? [el("ul", {}, ...r.routes.map((kid) => this.#route(kid, false)))] : []));
  }
}

// openTry shows what a receiver would be told, and tells it.
function openTry(receiver) {
  const status = el("select", {}, el("option", { value: "firing" }, "an alert fires"), el("option", { value: "resolved" }, "it is over")), severity = el("select", {}, ...["info", "warning", "critical"].map((s) => el("option", {}, s)));
  const summary = el("input", { type: "text", value: `a test of the receiver ${receiver}`, maxlength: "1000" }), seen = el("div", { class: "told-fits", role: "status" });
  const look = button("Show the texts", "", () => run(true)), send = el("button", { class: "button primary", type: "submit" }, "Send it");
  const { form } = sheet(`Try: ${receiver}`, el("p", { class: "sheet-text" }, "A message made up for it, at once and past all limits."), el("div", { class: "fields" }, field("It says that", status), field("Severity", severity)), field("Summary", summary), seen, el("div", { class: "form-end" }, look, send));
  async function run(preview) {
    look.disabled = send.disabled = true;
    try {
      const { results } = await ask("POST", "/notifications/test", { receiver, preview, status: status.value, labels: { severity: severity.value }, annotations: { summary: summary.value } });
      seen.replaceChildren(...results.map((r) => (preview ? el("details", { open: true }, el("summary", {}, r.way), ...texts(r.texts)) : el("p", {}, `${r.way}: it arrived`))));
    } catch (e) {
      seen.replaceChildren(el("p", { class: "form-error" }, explain(e)), ...(e.body?.errors?.length > 1 ? [el("ul", { class: "plain-list" }, ...e.body.errors.map((x) => el("li", {}, x.detail)))] : []));
    } finally { look.disabled = send.disabled = false; }
  }
  form.addEventListener("submit", (e) => { e.preventDefault(); run(false); });
}

const texts = (t) => (Object.keys(t ?? {}).length ? Object.entries(t).filter(([, v]) => v).flatMap(([k, v]) => [el("p", { class: "told-text" }, k), el("pre", { class: "conf", tabindex: "0" }, v)]) : [el("p", { class: "told-text" }, "It has no texts: a webhook is told the alerts themselves.")]);
