// One connection for all tabs of a board: the worker that they share holds it, and hands on what comes.
import { Source } from "./source.js";

const sources = new Map(); // by address: {source, ports}
const heard = new Map(); // when a port last said something, because one that is gone says nothing
const SILENT = 180_000; // ms; hidden tabs are woken once a minute

function leave(port) {
  for (const [url, s] of sources) {
    if (s.ports.delete(port) && s.ports.size === 0) { s.source.close(); sources.delete(url); }
  }
}

function join(port, url) {
  leave(port);
  let s = sources.get(url);
  if (s) for (const m of s.source.known) port.postMessage({ ...m, url });
  else {
    s = { ports: new Set() };
    s.source = new Source(url, (m) => { for (const p of s.ports) p.postMessage({ ...m, url }); });
    sources.set(url, s);
  }
  s.ports.add(port);
}

addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    const url = data.open ?? (heard.has(port) ? null : data.stay); // one that slept was taken for gone, and comes back
    if (url) join(port, url);
    if (data.close) { leave(port); heard.delete(port); } else heard.set(port, performance.now());
  };
});
setInterval(() => { for (const [port, at] of heard) if (performance.now() - at > SILENT) { leave(port); heard.delete(port); } }, 30_000);
