// The configuration that runs: every setting with where it comes from. Secrets are not shown by the service.
import { ask, explain } from "../ask.js";
import { el, setText } from "../dom.js";
import { many } from "../format.js";
import { sheet } from "../ui.js";

export async function settingsSheet() {
  const find = el("input", { type: "search", placeholder: "Find a setting", "aria-label": "Find a setting" }), set = el("input", { type: "checkbox" }), list = el("div", { class: "settings" }, "…"), note = el("span", { class: "unit" });
  const { box } = sheet("Configuration", el("div", { class: "settings-tools" }, el("span", { class: "field" }, find), el("label", { class: "check" }, set, "Only what is set"), note), list);
  box.classList.add("drawer");
  let values;
  try {
    values = (await ask("GET", "/configuration")).values;
  } catch (e) {
    setText(list, explain(e));
    return;
  }
  const show = () => {
    const word = find.value.trim().toLowerCase(), some = values.filter((v) => (!set.checked || v.origin !== "default") && (!word || `${v.path} ${shown(v.value)}`.toLowerCase().includes(word)));
    setText(note, `${many(some.length)} of ${many(values.length)}`);
    list.replaceChildren(...some.map((v) => el("div", { class: "setting" }, el("code", {}, v.path), el("code", { class: "setting-value" }, shown(v.value)), el("small", {}, v.origin))));
  };
  find.addEventListener("input", show);
  set.addEventListener("change", show);
  show();
}

const shown = (v) => (v === "" || v === null ? "—" : typeof v === "object" ? JSON.stringify(v) : String(v));
