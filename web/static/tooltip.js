// The one tooltip of a page. It is made when it is needed first, and screen readers do not hear it: the charts tell themselves.
import { el } from "./dom.js";

let node = null;

// rows: [{name, color, value, dash?}]; flag: {title, text}; note: a word of warning.
export function showTip({ x, y, head, rows, flag, note }) {
  if (!node) { node = el("div", { class: "tip", "aria-hidden": "true" }); document.body.append(node); }
  node.hidden = false;
  node.replaceChildren(el("p", { class: "tip-head" }, head, ...(note ? [el("span", { class: "tip-note" }, note)] : [])),
    ...(flag ? [el("p", { class: `tip-flag ${flag.kind}` }, el("strong", {}, flag.title), flag.text ? ` ${flag.text}` : "")] : []),
    ...rows.slice(0, 12).map((r) => {
      const swatch = el("span", { class: `swatch${r.dash ? " dashed" : ""}` });
      swatch.style.setProperty("--c", r.color);
      return el("p", { class: "tip-row" }, swatch, el("span", { class: "name" }, r.name), el("span", { class: "value" }, r.value));
    }),
    ...(rows.length > 12 ? [el("p", { class: "tip-note" }, `and ${rows.length - 12} more`)] : []));
  const { width, height } = node.getBoundingClientRect(), left = x + 16 + width > innerWidth - 8 ? x - width - 16 : x + 16;
  node.style.transform = `translate(${Math.round(Math.max(8, left))}px, ${Math.round(Math.min(Math.max(8, y - height / 2), innerHeight - height - 8))}px)`;
}

export function hideTip() { if (node) node.hidden = true; }
addEventListener("scroll", hideTip, { passive: true });
