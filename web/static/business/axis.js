// Axes of days, in UTC.
import { DAY, nameOfDay } from "./period.js";

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const short = (t) => { const d = new Date(t * 1000); return `${d.getUTCDate()} ${months[d.getUTCMonth()]}`; };
const steps = [1, 2, 7, 14, 28, 56, 91, 182, 364];
const room = 64; // px for a name of a day

// daysAxis has a name every so many days as there is room for. offset is where in a day its name stands, seconds.
const daysAxis = (offset, at) => ({
  splits(u, i, min, max) {
    const fit = Math.max(1, Math.floor(u.bbox.width / devicePixelRatio / (room * u.unit))), all = (max - min) / (DAY / 1000);
    const step = (steps.find((s) => all / s <= fit) ?? steps.at(-1)) * (DAY / 1000), out = [];
    for (let t = Math.ceil((min - offset) / (DAY / 1000)) * (DAY / 1000) + offset; t <= max; t += step) out.push(t);
    return out;
  },
  values: (u, splits) => splits.map((t) => { const x = u.valToPos(t, "x"); return x > u.bbox.width / devicePixelRatio - 18 * u.unit ? "" : short(t); }), // none that the edge would cut
  at,
});

export const NOON = DAY / 2000; // s
export const ofDays = daysAxis(NOON, (t) => nameOfDay(t * 1000));
export const ofHours = daysAxis(0, (t) => `${nameOfDay(t * 1000)} ${new Date(t * 1000).toISOString().slice(11, 16)}`);
export const shownDays = { ...ofDays, joint: true }; // of what the view shows
