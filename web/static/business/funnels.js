// Funnels: how many sessions, users or requests come to each step of the ways that are configured.
import { el } from "../dom.js";
import { long } from "../scheduler/times.js";
import { percent, text } from "../format.js";
import { Told, capital, limits, notice } from "./words.js";
import { bars } from "./worth.js";

const whose = { session_id: "sessions", user_id: "users", request_id: "requests" };
const names = { llm_request: "Request", user_feedback: "Feedback", business_event: "Business event" };

// nameOf is the name of a step; of business events of one type, that type.
export const nameOf = (step) => names[step] ?? capital(step.slice(step.indexOf(":") + 1).replaceAll("_", " "));

// stepsOf are the steps of a funnel of the answer, with what is said of each.
export function stepsOf({ steps }) {
  const share = (v) => text(percent(v));
  return steps.map((s, i) => ({
    name: nameOf(s.step), n: s.subjects,
    said: !i || s.share_of_step_before === null ? "" : `${share(s.share_of_step_before)} of those before${i > 1 ? `, ${share(s.share_of_first)} of the first` : ""}`,
  }));
}

export class Funnels extends Told {
  table() {
    return { columns: ["funnel", "step", "number", "share of the first", "share of the step before"], rows: (this.answer?.funnels ?? []).flatMap((f) => f.steps.map((s) => [f.name, s.step, s.subjects, s.share_of_first, s.share_of_step_before])) };
  }

  show(answer) {
    this.answer = answer;
    this.node.replaceChildren(el("div", { class: "uses" }, ...answer.funnels.map(one)), ...limits(answer.limits));
  }
}

function one(f) {
  const who = whose[f.by] ?? f.by;
  return el("section", {}, el("h3", {}, capital(f.name), el("span", { class: "unit" }, ` ${who}, all within ${long(f.within_seconds)}`)),
    f.steps[0].subjects ? bars(stepsOf(f)) : notice(`No ${who} in this period. Events tell theirs in ${f.by}.`));
}
