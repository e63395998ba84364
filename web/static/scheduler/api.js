// Calls of the scheduler. A page without a session gets one by itself where no password is needed, else it asks for one.
import { el } from "../dom.js";

export class Refused extends Error {
  constructor(status, detail) {
    super(typeof detail === "string" ? detail : detail?.message ?? detail?.[0]?.msg ?? `The scheduler answered ${status}`);
    Object.assign(this, { status, detail });
  }
}

export const explain = (e) => (e instanceof Refused ? e.message : `This page has a mistake: ${e.message}`);

async function once(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const res = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" }).catch(() => { throw new Refused(0, "The scheduler does not answer. Is hxp running?"); });
  const data = res.status === 204 ? null : await res.json().catch(() => null);
  if (!res.ok) throw new Refused(res.status, data?.detail);
  return data;
}

// The first call asks for a session before it would be refused without one.
let begun;
// Who is logged in; null where nobody has to.
export let user = null;

export async function call(method, path, body) {
  await (begun ??= once("GET", "/ui/session").then((s) => { user = s.login ? s.user : null; return s.user ? null : login(); }).catch((e) => { begun = undefined; throw e; }));
  try {
    return await once(method, path, body);
  } catch (e) {
    if (e.status !== 401) throw e;
    await login();
    return once(method, path, body);
  }
}

export const get = (path) => call("GET", path);
export const dagPath = (dag) => `/api/v2/dags/${encodeURIComponent(dag)}`;
export const runPath = (dag, run) => `${dagPath(dag)}/dagRuns/${encodeURIComponent(run)}`;
export const changed = () => dispatchEvent(new Event("changed"));

export async function logout() {
  await once("DELETE", "/ui/session");
  location.reload();
}

let waiting;
// All calls that find no session wait for the same login.
function login() {
  waiting ??= once("GET", "/ui/session").then((s) => (s.login ? ask() : once("POST", "/ui/session"))).finally(() => { waiting = undefined; });
  return waiting;
}

function ask() {
  return new Promise((done) => {
    const name = el("input", { name: "username", autocomplete: "username", value: "admin", required: true });
    const password = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
    const wrong = el("p", { class: "form-error", role: "alert" });
    const form = el("form", { method: "dialog" },
      el("h2", {}, "Log in to the scheduler"),
      el("label", { class: "field" }, el("span", {}, "User"), name),
      el("label", { class: "field" }, el("span", {}, "Password"), password),
      el("p", { class: "hint" }, "The password of admin lies in the data folder, ", el("code", {}, "airflow/*.json.generated"), "; ", el("code", {}, "hxp airflow users create"), " adds users. A token of hxp is a password too."),
      wrong,
      el("div", { class: "form-end" }, el("button", { class: "button primary", type: "submit" }, "Log in")));
    const box = el("dialog", { class: "sheet narrow" }, form);
    box.addEventListener("cancel", (e) => e.preventDefault());
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      try {
        ({ user } = await once("POST", "/ui/session", { username: name.value, password: password.value }));
        box.close();
        box.remove();
        done();
      } catch (err) {
        wrong.textContent = err.status === 401 ? "User and password do not belong together." : explain(err);
        password.select();
      }
    });
    document.body.append(box);
    box.showModal();
    password.focus();
  });
}
