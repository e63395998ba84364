// The keyboard of all boards, and the page that tells of it.
import { el } from "./dom.js";
import { sheet } from "./ui.js";

const help = [
  ["?", "This help"], ["1 – 4", "Operations, Business, Performance, System health"], ["[  ]", "Earlier, later"], ["+  −", "Closer, further"], ["space", "Pause, go live"],
  ["f", "Filter"], ["/", "Search"], ["Alt click", "Leave a value out of the whole board"], ["t", "Light or dark"], ["u", "Local time or UTC"], ["← →", "Move the crosshair of the chart in focus, with Shift by six"], ["Enter", "The chart in focus as a table"], ["Esc", "Close"],
];

export function openHelp(lines = help) {
  sheet("Keyboard", el("dl", { class: "facts plain keys" }, ...lines.flatMap(([k, v]) => [el("dt", {}, ...k.split(/ {2}| – /).map((c) => el("kbd", {}, c))), el("dd", {}, v)])));
}

// own are the keys of a page without a span of time: [key, what it does, act].
export function listen(view, bar, own) {
  const acts = own ? { "?": () => openHelp([...help.filter(([k]) => "?1t".includes(k[0])), ...own]), ...Object.fromEntries(own.map(([k, , act]) => [k, act])) } : {
    "?": () => openHelp(), "[": () => view.shift(-1), "]": () => view.shift(1), "+": () => view.zoom(0.5), "=": () => view.zoom(0.5), "-": () => view.zoom(2), " ": () => view.pause(),
    f: () => bar?.o.filters?.length && bar.openFilter(), "/": () => bar?.openSearch(), u: () => view.set({ zone: view.zone === "utc" ? "local" : "utc" }),
  };
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, select, textarea, dialog, .popover")) return;
    if (e.key === " " && e.target.closest?.("button, a, summary, [tabindex], pre")) return; // they have a use for it
    const boards = [...document.querySelectorAll(".tabs a")];
    const act = acts[e.key] ?? (/^[1-4]$/.test(e.key) && boards[e.key - 1] ? () => boards[e.key - 1].click() : null);
    if (!act) return;
    e.preventDefault();
    act();
  });
  // other boards are opened on the same span of time
  document.querySelector(".tabs")?.addEventListener("click", (e) => { const a = e.target.closest("a"); if (a) a.search = location.search; });
}
