// A small line without axes. The colour comes from the style sheet or the caller.
import { svg } from "./dom.js";

export function spark(width, height, { area = false, className = "spark" } = {}) {
  const line = svg("path", { class: "spark-line" }), fill = area ? svg("path", { class: "spark-area" }) : null;
  const node = svg("svg", { class: className, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...(fill ? [fill, line] : [line]));
  // zero: the picture begins at 0; otherwise at the smallest value
  let drawn = null;
  node.show = (values, { zero = true, color = "" } = {}) => {
    const known = values.filter((v) => v !== null);
    if (known.length < 2) { drawn = null; line.removeAttribute("d"); fill?.removeAttribute("d"); return; }
    let low = zero ? 0 : Math.min(...known), high = Math.max(...known);
    if (!zero) { const pad = (high - low || Math.abs(high) || 1) * 0.25; low -= pad; high += pad; }
    if (high === low) high = low + 1;
    const x = (i) => i / (values.length - 1) * width, y = (v) => height - 1.5 - (v - low) / (high - low) * (height - 3);
    let d = "", first = 0, last = 0, begun = false;
    values.forEach((v, i) => {
      if (v === null) return;
      if (!begun) first = i;
      d += `${begun ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
      begun = true;
      last = i;
    });
    if (d + color === drawn) return;
    drawn = d + color;
    line.setAttribute("d", d);
    fill?.setAttribute("d", `${d}L${x(last).toFixed(1)} ${height}L${x(first).toFixed(1)} ${height}Z`);
    line.style.stroke = color;
  };
  return node;
}
