// The live stream of a page: its topics over the one connection that all tabs share, or over its own where the browser has no shared workers.
// It keeps the state of each topic, and lets go while nobody looks.
import { merge } from "./patch.js";
import { Source } from "./source.js";

const HIDDEN_FOR = 10_000; // ms until a hidden page gives its connection back: browsers allow six for each origin

export class Stream extends EventTarget {
  // url: a function that tells where to connect, asked for each new connection.
  constructor(url) {
    super();
    this.url = url;
    this.state = {};
    this.offers = []; // topics that the server has
    this.heard = 0; // performance.now() of the last message
    this.skew = 0; // server clock minus ours, ms
    this.status = "wait"; // wait | live | lost | full
    document.addEventListener("visibilitychange", () => this.#visible());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (e) => { if (e.persisted) this.open(); });
    addEventListener("online", () => { if (this.status === "lost") this.open(); });
    this.open();
  }

  open() {
    const url = new URL(this.url(), location.href).href;
    if (this.shown !== url) this.state = {};
    this.shown = url;
    this.opened = true;
    if (this.#worker()) { this.port.postMessage({ close: true }); this.port.postMessage({ open: url }); return; }
    this.source?.close();
    const source = this.source = new Source(url, (m) => { if (source === this.source) this.#take(m); });
  }

  close() {
    this.opened = false;
    this.port?.postMessage({ close: true });
    this.source?.close();
    this.source = null;
  }

  #worker() {
    if (this.port || typeof SharedWorker === "undefined" || this.alone) return this.port;
    try {
      const worker = new SharedWorker("/static/stream-worker.js", { type: "module", name: "hxp-stream" });
      worker.onerror = () => { this.alone = true; this.port = null; if (this.opened) this.open(); }; // modules in workers are not known there
      this.port = worker.port;
      this.port.onmessage = ({ data }) => { if (this.opened && data.url === this.shown) this.#take(data); };
      setInterval(() => { if (this.opened) this.port?.postMessage({ stay: this.shown }); }, 30_000);
    } catch { this.alone = true; }
    return this.port;
  }

  #take(m) {
    if (m.kind === "status") this.#set(m.status);
    else this.#message(m.topic, JSON.parse(m.text));
  }

  #message(topic, m) {
    if (m.type === "hello") this.offers = m.topics;
    else if (m.type === "snapshot") this.state[topic] = m.data;
    else if (m.type === "update" && this.state[topic]) this.state[topic] = merge(this.state[topic], m.data);
    else if (m.type !== "event") return; // a reset: what is shown stays until the new snapshot
    this.heard = performance.now();
    if (m.t) this.skew = Date.parse(m.t) - Date.now();
    this.#set("live");
    const kind = m.type === "hello" ? "hello" : m.type === "event" ? "happening" : "state";
    this.dispatchEvent(new CustomEvent(kind, { detail: { topic, message: m, state: this.state[topic] } }));
  }

  #visible() {
    clearTimeout(this.sleep);
    if (document.hidden) this.sleep = setTimeout(() => this.close(), HIDDEN_FOR);
    else if (!this.opened) this.open();
  }

  #set(status) {
    if (status === this.status) return;
    this.status = status;
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  // Milliseconds since the last message.
  get age() { return this.heard ? performance.now() - this.heard : Infinity; }

  // The server's clock, seconds since the epoch.
  get now() { return (Date.now() + this.skew) / 1000; }
}
