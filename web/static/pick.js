// A value of a dimension, wherever it is shown, chooses for the whole board: a click shows it alone, or all again; with Alt it is left out.
import { el } from "./dom.js";

const leaving = "with Alt, leave it out of the whole board";

// value makes the button of a value. o: {view, act?: what a plain click does instead, title?: and what that is, done?: called before the board changes}.
export function value({ view, act, title = "Show this alone, or all again", done }, dimension, name, ...content) {
  const choose = (e) => {
    done?.();
    if (leftOut(view, dimension, name, e)) return;
    if (act) act(); else view.filter(dimension, view.filters[dimension] === name ? "" : name);
  };
  return el("button", { class: "link", type: "button", title: `${title}; ${leaving}`, onclick: choose }, ...content);
}

// leftOut leaves a value out where a click asks for that, and tells whether it did.
export function leftOut(view, dimension, name, { altKey }) {
  if (altKey) view.leaveOut(dimension, name);
  return altKey;
}
