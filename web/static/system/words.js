// Numbers, times and outcomes as a person reads them.
import { many, moment as shown } from "../format.js";
import { away } from "../scheduler/times.js";

export const moment = (t) => shown(Date.parse(t) / 1000);
export const ago = (t) => away(t, Date.now());

const outcomes = {
  redriven: "sent again", already_redriven: "was sent again before", valid: "would be taken", rejected: "still not an event", too_early: "its time has not come",
  too_often: "tried too often", cut: "only its beginning was kept", not_patchable: "cannot be patched", not_found: "gone",
};
export const outcome = (o) => outcomes[o] ?? o;
export const good = (o) => o === "redriven" || o === "already_redriven" || o === "valid";
export const sum = (counts) => Object.entries(counts).map(([o, n]) => `${many(n)} ${outcome(o)}`).join(", ") || "nothing to do";
