// An event stream that keeps the state of each topic and comes back by itself. It runs in a page, or in the worker that pages share.
import { merge } from "./patch.js";

const topics = ["hello", "metrics", "events", "alerts", "correlations", "responses", "notifications", "health"];

export class Source {
  // emit: called with {kind: "text", topic, text} for each message, and {kind: "status", status} when the connection changes
  constructor(url, emit) {
    Object.assign(this, { url, emit, tries: 0, status: "wait", kept: {} });
    this.#open();
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  // What somebody who comes later must be told first.
  get known() { return [...(this.hello ? [{ kind: "text", topic: "hello", text: this.hello }] : []), ...Object.entries(this.kept).map(([topic, m]) => ({ kind: "text", topic, text: JSON.stringify(m) })), { kind: "status", status: this.status }]; }

  #open() {
    this.close();
    const source = this.source = new EventSource(this.url);
    for (const topic of topics) source.addEventListener(topic, (e) => this.#message(topic, e.data));
    source.onmessage = (e) => this.#message(JSON.parse(e.data).type, e.data);
    source.onerror = () => this.#lost(source);
  }

  #message(topic, text) {
    const m = JSON.parse(text);
    if (m.type === "hello") this.hello = text;
    else if (m.type === "snapshot") this.kept[m.topic] = m;
    else if (m.type === "update" && this.kept[m.topic]) this.kept[m.topic] = { ...m, type: "snapshot", data: merge(this.kept[m.topic].data, m.data) };
    this.tries = 0;
    this.emit({ kind: "text", topic, text });
    this.#set("live");
  }

  #lost(source) {
    if (source !== this.source) return;
    const refused = source.readyState === EventSource.CLOSED; // an answer that is no stream: the browser gives up
    this.#set(refused && this.tries > 0 ? "full" : "lost");
    if (!refused) return; // the browser tries again, with the id of the last message
    this.close();
    this.retry = setTimeout(() => this.#open(), Math.min(30_000, 1000 * 2 ** this.tries++) * (0.75 + Math.random() / 2));
  }

  #set(status) {
    if (status === this.status) return;
    this.status = status;
    this.emit({ kind: "status", status });
  }
}
