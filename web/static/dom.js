// Small helpers to make elements. Text always goes in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// Writes only what changed, so that selections stay and nothing is laid out in vain.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// What tells an element from others when all are made anew: what it is of, and what it does.
const mark = (n) => [n.closest("[data-of]")?.dataset.of, n.dataset.act ?? n.dataset.alert ?? (n.getAttribute("aria-label") || n.title || n.textContent)].join();

// refill puts others into a node, once nothing in it is pressed. The focus stays on what is as that which had it, else on what lies around; nothing scrolls.
export function refill(node, ...children) {
  node.newest = children;
  if (node.matches(":active")) { setTimeout(() => { if (node.newest === children) refill(node, ...children); }, 100); return; }
  const { activeElement: held } = document, was = held !== node && node.contains(held) && mark(held), top = node.scrollTop;
  node.replaceChildren(...children);
  node.scrollTop = top;
  if (was !== false) ([...node.querySelectorAll("a, button, [tabindex]")].find((n) => mark(n) === was) ?? node.closest("[tabindex]"))?.focus({ preventScroll: true });
}

// A number with its unit in smaller type.
export function figure() {
  const number = el("span", { class: "n" }), unit = el("span", { class: "u" });
  const node = el("span", { class: "figure" }, number, unit);
  node.show = ([n, u]) => { setText(number, n); setText(unit, u); };
  return node;
}
