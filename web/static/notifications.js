// The page of notifications: who is told of what, what waits, and the hands to acknowledge and to silence.
import { again, ask, explain, query, soon } from "./ask.js";
import { setText } from "./dom.js";
import { many, span } from "./format.js";
import { listen } from "./keys.js";
import { Alerts, stateOf } from "./notifications/alerts.js";
import { Messages, withOld } from "./notifications/messages.js";
import { Routes } from "./notifications/routes.js";
import { Silences, openSilence } from "./notifications/silences.js";
import { Stream } from "./stream.js";
import { button } from "./ui.js";

const $ = (id) => document.getElementById(id), every = 10_000; // ms
const look = again(refresh, () => every);
const alerts = new Alerts($("alerts"), look), silences = new Silences($("silences"), look), messages = new Messages($("messages")), routes = new Routes($("routes"), $("receivers"));
const stream = new Stream(() => "/stream?topics=notifications,alerts");

async function refresh() {
  if (document.hidden) return;
  try {
    const list = (q) => ask("GET", `/notifications?${query(q)}`);
    const [groups, hushed, newest, old, config] = await Promise.all([ask("GET", "/api/v2/alerts/groups"), ask("GET", "/notifications/silences"), list({ limit: 200 }), list({ state: "waiting", limit: 1000 }), ask("GET", "/notifications/config")]);
    const told = withOld(newest.notifications, old.notifications);
    $("problem").hidden = true;
    silences.show(hushed.silences);
    alerts.show(groups, hushed.silences);
    messages.show(told);
    routes.show(config);
    judge(groups, hushed.silences, told);
  } catch (e) {
    $("problem").hidden = false;
    setText($("problem"), `What people are told cannot be shown now: ${explain(e)}`);
  }
  $("board").classList.remove("unready");
}

// judge says in one line how it stands.
function judge(groups, hushed, told) {
  const all = new Map(groups.flatMap((g) => g.alerts).map((a) => [a.fingerprint, a])), n = { firing: 0, acknowledged: 0, quiet: 0, silenced: 0, inhibited: 0 };
  for (const a of all.values()) n[stateOf(a)]++;
  const waiting = told.filter((m) => m.status === "waiting"), active = hushed.filter((s) => s.status.state === "active").length;
  const late = waiting.filter((m) => m.error).length;
  setText($("alerts-note"), Object.entries(n).filter(([, v]) => v).map(([k, v]) => `${many(v)} ${k === "quiet" ? "in quiet hours" : k}`).join(", ") || "none");
  setText($("silences-note"), active ? `${many(active)} active` : "");
  setText($("messages-note"), waiting.length ? `${many(waiting.length)} on their way${late ? `, ${many(late)} after a failure` : ""}` : "nothing waits");
  const pill = $("overall");
  pill.dataset.state = late ? "bad" : n.firing ? "warn" : "live";
  setText(pill.lastElementChild, late ? (late === 1 ? "A message does not arrive" : `${many(late)} messages do not arrive`) : n.firing ? `${many(n.firing)} firing, nobody has ${n.firing === 1 ? "it" : "them"}` : "Nobody has to act");
}

// choices are buttons of which one is chosen.
function choices(id, list) {
  for (const b of $(id).querySelectorAll("button")) {
    b.addEventListener("click", () => {
      for (const other of $(id).querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === b));
      list(b.dataset.value);
    });
  }
}
choices("alert-states", (state) => { alerts.state = state; if (alerts.groups) alerts.show(alerts.groups, alerts.silences); });
choices("message-states", (state) => { messages.state = state; if (messages.messages) messages.show(messages.messages); });
choices("silence-states", (state) => { silences.past = state === "all"; if (silences.silences) silences.show(silences.silences); });
$("wish").addEventListener("input", () => { alerts.wish = $("wish").value.trim().toLowerCase(); if (alerts.groups) alerts.show(alerts.groups, alerts.silences); });
$("tools").append(button("Silence…", "", () => openSilence(null, look)));
listen(null, null, [
  ["j", "The next alert", () => alerts.move(1)], ["k", "The alert before", () => alerts.move(-1)], ["a", "Acknowledge the alert in focus", () => alerts.held && alerts.take(alerts.held)],
  ["s", "Silence the alert in focus, or others", () => (alerts.held ? alerts.hush(alerts.held) : openSilence(null, look))], ["/", "Search the alerts", () => $("wish").focus()],
]);
for (const kind of ["hello", "happening"]) stream.addEventListener(kind, () => look(soon));
document.addEventListener("visibilitychange", () => look());
setInterval(() => { $("stale").hidden = stream.age < 60_000 || !Number.isFinite(stream.age); if (!$("stale").hidden) setText($("stale"), `No news for ${span(stream.age / 1000)}; the page asks every ${every / 1000} seconds.`); }, 5000);
look();
