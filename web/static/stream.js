// One event stream that keeps the state of each topic, comes back by itself, and lets go while nobody looks.
import { merge } from "./patch.js";

const HIDDEN_FOR = 10_000; // ms until a hidden page gives its connection back: browsers allow six for each origin

export class Stream extends EventTarget {
  // url: a function that tells where to connect, asked for each new connection.
  constructor(url, topics) {
    super();
    this.url = url;
    this.topics = topics;
    this.state = {};
    this.heard = 0; // performance.now() of the last message
    this.skew = 0; // server clock minus ours, ms
    this.status = "wait"; // wait | live | lost | full
    this.tries = 0;
    document.addEventListener("visibilitychange", () => this.#visible());
    addEventListener("online", () => { if (this.status === "lost") this.open(); });
    this.open();
  }

  open() {
    this.close();
    const source = this.source = new EventSource(this.url());
    for (const topic of this.topics) source.addEventListener(topic, (e) => this.#message(topic, e.data));
    source.onerror = () => this.#lost(source);
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  #message(topic, text) {
    const m = JSON.parse(text);
    if (m.type === "snapshot") this.state[topic] = m.data;
    else if (m.type === "update" && this.state[topic]) merge(this.state[topic], m.data);
    else return; // a reset: what is shown stays until the new snapshot
    this.tries = 0;
    this.heard = performance.now();
    this.skew = Date.parse(m.t) - Date.now();
    this.#set("live");
    this.dispatchEvent(new CustomEvent("state", { detail: { topic, message: m, state: this.state[topic] } }));
  }

  #lost(source) {
    if (source !== this.source) return;
    const refused = source.readyState === EventSource.CLOSED; // an answer that is no stream: the browser gives up
    this.#set(refused && this.tries > 0 ? "full" : "lost");
    if (!refused) return; // the browser tries again, with the id of the last message
    this.close();
    this.retry = setTimeout(() => this.open(), Math.min(30_000, 1000 * 2 ** this.tries++) * (0.75 + Math.random() / 2));
  }

  #visible() {
    clearTimeout(this.sleep);
    if (document.hidden) this.sleep = setTimeout(() => this.close(), HIDDEN_FOR);
    else if (!this.source) this.open();
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
