// The tasks of a DAG from left to right, each with its state where a run is given.
import { svg } from "../dom.js";
import { stateWord } from "./parts.js";

const W = 208, H = 48, GAP = 56, ROW = 18;

// A task stands one column right of the last of those that it waits for.
function columns(tasks) {
  const level = new Map(), byID = new Map(tasks.map((t) => [t.task_id, t]));
  const of = (id, seen = new Set()) => {
    if (level.has(id)) return level.get(id);
    if (seen.has(id)) return 0;
    seen.add(id);
    const n = Math.max(-1, ...(byID.get(id)?.depends_on ?? []).map((up) => of(up, seen))) + 1;
    level.set(id, n);
    return n;
  };
  const out = [];
  for (const t of tasks) (out[of(t.task_id)] ??= []).push(t);
  return out;
}

export function graph(tasks, states = new Map(), pick) {
  const cols = columns(tasks), tall = Math.max(...cols.map((c) => c.length)), width = cols.length * (W + GAP) - GAP + 8, height = tall * (H + ROW) - ROW + 8;
  const at = new Map();
  cols.forEach((c, x) => c.forEach((t, y) => at.set(t.task_id, [4 + x * (W + GAP), 4 + y * (H + ROW) + ((tall - c.length) * (H + ROW)) / 2])));
  const edges = tasks.flatMap((t) => (t.depends_on ?? []).map((up) => {
    const [x1, y1] = at.get(up), [x2, y2] = at.get(t.task_id), a = x1 + W, b = y1 + H / 2, c = y2 + H / 2, m = (a + x2) / 2;
    return svg("path", { class: "edge", d: `M${a} ${b}C${m} ${b} ${m} ${c} ${x2 - 7} ${c}`, "marker-end": "url(#arrow)" });
  }));
  const nodes = tasks.map((t) => {
    const [x, y] = at.get(t.task_id), state = states.get(t.task_id);
    const g = svg("g", { class: `node s-${state ?? "none"}${pick ? " can" : ""}`, transform: `translate(${x} ${y})` },
      svg("title", {}, states.size ? `${t.task_id}: ${stateWord(state)}` : t.task_id),
      svg("rect", { width: W, height: H, rx: 10 }),
      svg("text", { x: 16, y: states.size ? 20 : H / 2 + 4.5 }, t.task_id));
    if (states.size) g.append(svg("rect", { class: "node-state", x: 0, y: 10, width: 4, height: H - 20, rx: 2 }), svg("text", { class: "node-word", x: 16, y: 36 }, stateWord(state)));
    if (pick) g.addEventListener("click", () => pick(t.task_id));
    return g;
  });
  const node = svg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Tasks in order: ${tasks.map((t) => t.task_id).join(", ")}` },
    svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { class: "arrow", d: "M0 .8 7 4 0 7.2z" }))),
    ...edges, ...nodes);
  node.style.width = `${width / 10}rem`;
  return node;
}
