// The bar of a board: how it is, what is shown and since when, filters, comparison, zone, search.
import { ask, query } from "./ask.js";
import { el, setText } from "./dom.js";
import { between, setZone, span as spanOf, clock, zoneName } from "./format.js";
import { popover } from "./popover.js";
import { copy } from "./panel.js";
import { icon } from "./ui.js";
import { comparisons, dimensions, ranges } from "./view.js";

const marks = { filter: "M2.5 4h11M4.8 8h6.4M6.8 12h2.4", time: "M8 4.6V8l2.3 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z", pause: "M5.4 3.5v9M10.6 3.5v9", play: "M5 3.2v9.6l7.6-4.8Z", link: "M6.6 9.4a2.7 2.7 0 0 0 3.9 0l2.2-2.2a2.8 2.8 0 0 0-3.9-3.9l-.8.8M9.4 6.6a2.7 2.7 0 0 0-3.9 0L3.3 8.8a2.8 2.8 0 0 0 3.9 3.9l.8-.8", find: "M7.2 12a4.8 4.8 0 1 0 0-9.6 4.8 4.8 0 0 0 0 9.6ZM14 14l-3.4-3.4", both: "M5 3v10M5 3 2.8 5.2M5 3l2.2 2.2M11 13V3m0 10 2.2-2.2M11 13l-2.2-2.2" };
const late = 1500; // ms; news come each second
const words = { wait: "Connecting", lost: "Reconnecting", full: "All streams are taken, trying again" };
const rangeName = (seconds) => ranges.find(([s]) => s === seconds)?.[1] ?? spanOf(seconds);

export class TopBar {
  // o: {filters: names of dimensions, compare, search(text)?, stream?, values(dimension)?: what can be chosen}
  constructor(node, view, o = {}) {
    Object.assign(this, { view, o, missed: 3 });
    const tool = (name, mark, act, title) => { const b = el("button", { class: "button", type: "button", title, "aria-label": title, onclick: act }, icon(marks[mark]), el("span", { class: "label" }, name)); b.label = b.lastChild; return b; };
    this.health = el("button", { class: "pill", type: "button", "data-state": "wait", hidden: !o.health, onclick: () => o.health?.() }, el("span", { class: "live-dot", "aria-hidden": "true" }), el("span"));
    this.live = el("p", { class: "live", id: "live", "data-state": "wait", hidden: !o.stream }, el("span", { class: "live-dot", "aria-hidden": "true" }), el("span", { id: "live-text" }, "Connecting"));
    this.chips = el("div", { class: "chips" });
    this.add = tool("Filter", "filter", () => this.openFilter(), "Add a filter (f)");
    this.range = tool("", "time", () => this.#openRange(), "Time range");
    this.against = tool("Compare", "both", () => this.#openCompare(), "Compare with another time");
    this.pause = tool("", "pause", () => view.pause(), "Hold the picture still, or go on (space)");
    this.pause.id = "pause";
    this.find = tool("", "find", () => this.openSearch(), "Search (/)");
    node.querySelector(".bar-title").append(this.health, this.live);
    node.append(el("div", { class: "bar-tools" }, this.chips, ...(o.filters?.length ? [this.add] : []), ...(o.search ? [this.find] : []), ...(o.compare === false ? [] : [this.against]), this.range, this.pause, tool("", "link", () => copy(view.link(), "Link to what is shown"), "Copy a link to what is shown")));
    this.stale = el("p", { class: "notice stale", role: "status", hidden: true });
    node.after(this.stale);
    setZone(view.zone);
    view.addEventListener("change", ({ detail }) => { if (detail.includes("zone")) { setZone(view.zone); dispatchEvent(new Event("zonechange")); } this.show(); });
    this.show();
    if (o.stream) {
      for (const kind of ["status", "state"]) o.stream.addEventListener(kind, () => this.pulse()); // drawn together with the news
      setInterval(() => { if (o.stream.age > late) this.pulse(); }, 1000);
    }
  }

  show() {
    const { view } = this, fixed = view.from !== null;
    setText(this.range.label, fixed ? between(view.from, view.to) : `Last ${rangeName(view.range)}`);
    setText(this.against.label, view.compare ? comparisons[view.compare] : "Compare");
    this.against.classList.toggle("on", view.compare !== "");
    this.pause.setAttribute("aria-pressed", String(!view.live));
    this.pause.firstChild.firstChild.setAttribute("d", view.live ? marks.pause : marks.play);
    setText(this.pause.label, view.live ? "Pause" : "Go live");
    this.chips.replaceChildren(...Object.entries(view.filters).map(([name, value]) => el("span", { class: "chip" }, el("span", { class: "chip-name" }, name), el("span", { class: "chip-value", title: value }, value),
      el("button", { type: "button", "aria-label": `Remove the filter ${name} ${value}`, onclick: () => view.filter(name, "") }, "✕"))), ...Object.entries(view.without).map(([name, all]) => el("span", { class: "chip out" }, el("span", { class: "chip-name" }, `without ${name}`), el("span", { class: "chip-value", title: all.join(", ") }, all.length > 1 ? `${all.length} values` : all[0]),
      el("button", { type: "button", "aria-label": `Show ${name} ${all.join(", ")} again`, onclick: () => view.leave(name, []) }, "✕"))));
    this.pulse();
  }

  // How old what is shown is. Three missed ticks are said in words.
  pulse() {
    const { stream } = this.o, { view } = this;
    if (!stream) return;
    const age = stream.age / 1000;
    if (stream.heard !== this.heard && view.live) { this.heard = stream.heard; this.live.classList.toggle("beat"); } // a mark for each news: an animation would draw sixty times a second
    let state = stream.status, label = words[state];
    if (state === "live") {
      state = age < 3.5 ? "live" : age < 15 ? "warn" : "bad";
      label = state !== "live" ? `No news for ${spanOf(age)}` : age * 1000 > late ? `Live · ${spanOf(age)}` : "Live";
    } else if (Number.isFinite(age)) label += ` · last news ${spanOf(age)} ago`;
    this.stale.hidden = !(stream.heard && age >= this.missed) || !view.live;
    if (!this.stale.hidden) setText(this.stale, `Nothing new for ${spanOf(age)}. What is shown is as it was at ${clock(stream.now - age)}.`);
    if (view.held !== null) { state = "paused"; label = `Paused at ${clock(view.held)}`; }
    if (view.from !== null) { state = "paused"; label = "Past"; }
    this.live.dataset.state = state;
    setText(this.live.lastChild, label);
    const word = state === "live" ? "" : label.split(" · ")[0].split(" for ")[0];
    if (word !== this.said) { this.said = word; const say = document.getElementById("announce"); if (say) setText(say, word); }
  }

  // state: good, warn, bad or wait
  setHealth(state, label, title = "") {
    this.health.dataset.state = state;
    this.health.title = title;
    setText(this.health.lastChild, label);
  }

  #openRange() {
    const { view } = this, { from, to } = view.span();
    popover(this.range, (close) => {
      const utc = view.zone === "utc", local = (t) => new Date(t * 1000 - (utc ? 0 : new Date(t * 1000).getTimezoneOffset() * 60_000)).toISOString().slice(0, 19);
      const parse = (input) => Date.parse(utc ? `${input.value}Z` : input.value) / 1000;
      const [a, b] = [from, to].map((t) => el("input", { type: "datetime-local", step: "1", value: local(t), required: true })), error = el("p", { class: "form-error" });
      const use = (e) => {
        e.preventDefault();
        const [x, y] = [parse(a), parse(b)];
        if (!(y - x >= 10)) { setText(error, "The end lies at least ten seconds after the beginning."); return; }
        close();
        view.set({ from: x, to: y });
      };
      const zone = (name, label) => el("button", { type: "button", "aria-pressed": String(view.zone === name), onclick: () => { close(); view.set({ zone: name }); } }, label);
      return el("div", { class: "range-box" },
        el("div", { class: "menu columns", role: "group", "aria-label": "Until now" }, ...ranges.map(([s, name]) => el("button", { type: "button", role: "menuitemradio", "aria-checked": String(view.from === null && view.range === s), onclick: () => { close(); view.set({ range: s }); } }, `Last ${name}`))),
        el("form", { class: "range-form", onsubmit: use }, el("label", { class: "field" }, el("span", {}, "From"), a), el("label", { class: "field" }, el("span", {}, "To"), b), error,
          el("div", { class: "form-end" }, el("div", { class: "segments", role: "group", "aria-label": "Time zone" }, zone("local", "Local"), zone("utc", "UTC")), el("button", { class: "button primary", type: "submit" }, "Show"))),
        el("p", { class: "hint" }, `Times are ${zoneName()}.`));
    });
  }

  #openCompare() {
    popover(this.against, (close) => el("div", { class: "menu", role: "menu" }, ...Object.entries(comparisons).map(([value, name]) => el("button", { type: "button", role: "menuitemradio", "aria-checked": String(this.view.compare === value), onclick: () => { close(); this.view.set({ compare: value }); } }, name))));
  }

  openFilter() {
    const { view, o } = this, names = dimensions.filter((d) => o.filters.includes(d));
    popover(this.add, (close) => {
      let name = names.find((n) => !view.filters[n]) ?? names[0], turn = 0, out = false;
      const input = el("input", { type: "text", "aria-label": "Value", placeholder: "Value", autocomplete: "off" }), list = el("div", { class: "menu values", role: "menu" }), choose = (value) => { if (value) { close(); if (out) view.leaveOut(name, value); else view.filter(name, value); } };
      const tabs = el("div", { class: "segments", role: "group", "aria-label": "Dimension" }, ...names.map((n) => el("button", { type: "button", "aria-pressed": "false", onclick: () => { name = n; fill(); } }, n)));
      const fill = async () => {
        for (const b of tabs.children) b.setAttribute("aria-pressed", String(b.textContent === name));
        const mine = ++turn, of = name;
        const all = await (o.values ?? values)(of, view).catch(() => null);
        if (mine !== turn) return;
        const some = (all ?? []).filter((v) => v.toLowerCase().includes(input.value.toLowerCase())).slice(0, 40);
        list.replaceChildren(...some.map((v) => el("button", { type: "button", role: "menuitem", onclick: () => choose(v) }, v)), ...(some.length ? [] : [el("p", { class: "hint" }, all === null ? `${of} is not kept apart by this installation.` : "Nothing fits. Enter takes what you wrote.")]));
      };
      input.addEventListener("input", fill);
      input.addEventListener("keydown", (e) => { if (e.key === "Enter") { e.preventDefault(); choose(input.value.trim()); } });
      if (!name) return el("p", { class: "hint" }, "No further dimension is kept apart together with these filters.");
      fill();
      const way = el("div", { class: "segments", role: "group", "aria-label": "What is done with the value" }, ...[["Only", false], ["Without", true]].map(([words, v]) => el("button", { type: "button", "aria-pressed": String(v === out), onclick: (e) => { out = v; for (const b of way.children) b.setAttribute("aria-pressed", String(b === e.target)); } }, words)));
      return el("div", { class: "filter-box" }, el("div", { class: "filter-head" }, tabs, way), el("div", { class: "field" }, input), list);
    });
  }

  openSearch() {
    if (!this.o.search) return;
    popover(this.find, (close) => {
      const input = el("input", { type: "search", "aria-label": "Request id", placeholder: "Request id", autocomplete: "off" });
      const go = (e) => { e.preventDefault(); const text = input.value.trim(); if (text) { close(); this.o.search(text); } };
      return el("form", { class: "filter-box", onsubmit: go }, el("div", { class: "field" }, input, el("small", {}, "Shows a request with its feedback and business events.")));
    });
  }
}

// What a dimension has had in the last hour of what is shown.
async function values(name, view) {
  const a = await ask("GET", `/analytics?${query({ window: 3600, at: view.query().to, group_by: name, limit: 200 })}`);
  return a.groups.map((g) => g.key[name]).filter((v) => v !== null);
}
