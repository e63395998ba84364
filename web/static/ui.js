// Pieces that pages with forms share: words at the edge, buttons, lists of facts, sheets.
import { el, setText, svg } from "./dom.js";

export function toast(text, kind = "") {
  const node = el("div", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(node);
  setText(document.getElementById("announce"), text);
  setTimeout(() => node.remove(), kind === "bad" ? 9000 : 4000);
}

export const icon = (d) => svg("svg", { viewBox: "0 0 16 16", width: "1.4rem", height: "1.4rem", "aria-hidden": "true" }, svg("path", { d }));
export const icons = { play: "M5 3.4v9.2l7.4-4.6z", past: "M13.2 8A5.2 5.2 0 1 1 8 2.8c1.6 0 3 .7 4 1.8M12.4 2v2.9H9.5M8 5.4V8l1.9 1.5", again: "M12.9 6.1A5.2 5.2 0 1 0 13.2 9M13 2.9v3.3H9.7", stop: "M4 4h8v8H4z", check: "M3 8.4l3.2 3.2L13 4.8", cross: "M4 4l8 8m0-8l-8 8", pause: "M5.5 3.5v9M10.5 3.5v9" };

export const button = (text, symbol, onclick, kind = "") => el("button", { class: `button ${kind}`, type: "button", onclick }, ...(symbol ? [icon(icons[symbol])] : []), el("span", {}, text));

// A list of facts.
export function facts(pairs) {
  return el("dl", { class: "facts" }, ...pairs.filter(([, v]) => v !== undefined && v !== null && v !== "").flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}

// A dialog with a form in it.
export function sheet(title, ...content) {
  const box = el("dialog", { class: "sheet" }), form = el("form", { method: "dialog", novalidate: true }, el("header", { class: "sheet-head" }, el("h2", {}, title), el("button", { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => box.close() }, "✕")), ...content);
  box.append(form);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (e) => { if (e.target === box) box.close(); });
  document.body.append(box);
  box.showModal();
  return { box, form };
}

export const field = (text, input, hint) => el("label", { class: "field" }, el("span", {}, text), input, ...(hint ? [el("small", {}, hint)] : []));
