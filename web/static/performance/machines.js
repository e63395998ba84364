// What machines and engines tell of themselves, machine by machine where the windows keep them apart. It belongs to no model and no tenant, so filters
// leave it as it is.
import { explain } from "../ask.js";
import { Chart } from "../chart.js";
import { untold } from "../charts.js";
import { config } from "../config.js";
import { setText } from "../dom.js";
import { load } from "../frame.js";
import { amount, ms, percent, percentOf100, si } from "../format.js";
import { color, named } from "../palette.js";
import { offered } from "../view.js";

const most = 8, mostCards = 24; // machines and cards that are told apart, the busiest
const none = (what) => `No engine tells ${what} in this range: let hxp read the engines' /metrics (scrape in services/kafka-api.yaml)`;
const finest = 15; // seconds of a step: machines are asked no more often
const groupMetrics = ["requests_running", "generation_tokens_per_second", "preemptions_per_second", "prefix_cache_queries_per_second", "prefix_cache_hits_per_second"].map((n) => `system.${n}`);
const metrics = groupMetrics.concat(["gpu_usage", "gpu_memory_usage", "kv_cache_usage", "requests_waiting", "engine_queue_ms_avg", "prefill_ms_avg", "decode_ms_avg"].map((n) => `system.${n}`));
const apart = " EVENT_PROCESSING_DIMENSIONS=host draws a line for each machine, the eight busiest; without it the line is their mean.";

// each makes a line for each machine that tells something, or one for all of them. of(get, machine) gives its values from a way to those of a gauge.
function each(h, of) {
  const lines = Object.keys(h.models).filter(Boolean).sort().map((m) => ({ name: m, values: of((gauge) => h.model(m, `system.${gauge}`, 1, null), m) })).filter((l) => l.values.some((v) => v !== null));
  return lines.length ? lines.map((l, i) => ({ ...l, color: color(i) })) : [{ name: "mean of all", color: color(named.blue), values: of((gauge) => h.gauge(gauge)), area: true }];
}

const scaled = (values, by) => values.map((v) => (v === null ? null : v * by));
const part = (some, all) => some.map((v, i) => (v === null || !all[i] ? null : v / all[i]));

const specs = [
  {
    title: "Queue", unit: "requests, mean of all machines", format: amount, empty: none("of its queue"),
    explain: { what: "Requests that the engines work on together, and those that wait for a place." },
    lines: (h) => [{ name: "running", color: color(named.blue), values: h.gauge("requests_running"), area: true }, { name: "waiting", color: color(named.red), values: h.gauge("requests_waiting") }],
  },
  {
    title: "KV cache and GPU", unit: "mean of all machines", wide: true, format: percentOf100, top: 100, empty: untold,
    explain: { what: "How full the KV cache is, how busy GPUs are and how full their memory is. Near 100 % of KV cache requests wait or are preempted." },
    lines: (h) => [{ name: "KV cache", color: color(named.amber), values: h.gauge("kv_cache_usage", 100), area: true }, { name: "GPU busy", color: color(named.blue), values: h.gauge("gpu_usage") }, { name: "GPU memory", color: color(named.pink), values: h.gauge("gpu_memory_usage"), dash: [5, 3] }],
  },
  {
    title: "Tokens by machine", unit: "written per second", apart: "host", format: si, empty: none("the tokens that it writes"),
    explain: { what: `Tokens that the engine of a machine writes in a second, as it counts them; the mean of its engines where it has several.${apart} With EVENT_PROCESSING_DIMENSIONS=host,gpu they are divided by the cards of the machine, once every machine tells its cards.` },
    lines: (h) => each(h, (of, machine) => scaled(of("generation_tokens_per_second"), 1 / (h.cards?.[machine] ?? 1))),
  },
  {
    title: "Batch size", unit: "requests together, by machine", apart: "host", format: amount, empty: none("its batch"),
    explain: { what: `Requests that an engine works on at the same time. A larger batch writes more tokens in all, and each request waits longer for its next one.${apart}` },
    lines: (h) => each(h, (of) => of("requests_running")),
  },
  {
    title: "Preemptions", unit: "per minute, by machine", apart: "host", format: amount, empty: none("of preemptions"),
    explain: { what: `Requests that an engine took out of its batch because the KV cache was full; what they had is computed again later. More than none now and then means that the batch is too large for the cache.${apart}` },
    lines: (h) => each(h, (of) => scaled(of("preemptions_per_second"), 60)),
  },
  {
    title: "Prefix cache", unit: "share of looked-up tokens that were there", apart: "host", format: percent, empty: none("of its prefix cache"),
    explain: { what: `Prompt tokens whose KV values an engine still had from earlier requests, of all that it looked for: prefill that was spared.${apart}` },
    lines: (h) => each(h, (of) => part(of("prefix_cache_hits_per_second"), of("prefix_cache_queries_per_second"))),
  },
  {
    title: "Phases in the engine", unit: "mean of a request", wide: true, format: ms, empty: none("how long its phases take"),
    explain: { what: "How long requests wait in the engine's queue, and how long prefill and decode take, as the engines measure it. The table of where the time goes tells the same of single requests, by the length of their prompt." },
    lines: (h) => [{ name: "queue", color: color(named.amber), values: h.gauge("engine_queue_ms_avg"), area: true }, { name: "prefill", color: color(named.violet), values: h.gauge("prefill_ms_avg") }, { name: "decode", color: color(named.green), values: h.gauge("decode_ms_avg") }],
  },
  {
    title: "GPUs", unit: "busy, by card", format: percentOf100, top: 100, cards: true, empty: "No card tells how busy it is in this range: let hxp read DCGM's exporter (scrape in services/kafka-api.yaml)",
    explain: { what: "How busy each card is, as DCGM's exporter, nvidia-smi or whoever measures cards one by one tells. One that lies below the others of its machine waits for them, or for work." },
    lines: (h) => each(h, (of) => of("gpu_usage")),
  },
];

export class Machines {
  constructor(board) {
    Object.assign(this, { board, frame: null, earlier: null, wish: { metrics, points: 240 } });
    this.cards = { frame: null, wish: { by: "gpu", groupMetrics: ["system.gpu_usage"], limit: mostCards, points: 240 }, query: () => this.query() };
    this.charts = specs.map((spec) => board.add(new Chart(spec), spec.cards ? this.cards : this));
    this.#chart("GPUs").node.classList.add("whole");
    this.#kept();
  }

  // The dimensions of machines that the windows keep apart.
  async #kept() {
    const kept = await config().then(({ dimensions }) => offered(dimensions, [], ["host", "gpu"]), () => []);
    this.#chart("GPUs").node.hidden = !kept.includes("gpu");
    return kept;
  }

  #chart(title) { return this.charts.find((c) => c.spec.title === title); }

  // What is asked for, whatever the filters are.
  query() {
    const { from, to } = this.board.view.query();
    return { from, to };
  }

  async refresh(signal) {
    const { board, wish, cards } = this, { offset: before } = board.view, kept = await this.#kept();
    if (kept.includes("host")) Object.assign(wish, { by: "host", groupMetrics, limit: most });
    cards.wish.step = wish.step = Math.max(finest, board.frame?.step ?? 0);
    try {
      const [frame, history, single] = await Promise.all([load(wish, this, { signal }), before ? load(wish, this, { before, signal }) : null, kept.includes("gpu") ? load(cards.wish, this, { signal }) : null]);
      Object.assign(this, { frame, earlier: history && { offset: before, history } });
      if (single) this.#count(cards.frame = single);
    } catch (e) {
      if (e.name !== "AbortError" && !this.frame) for (const c of this.charts) c.say(explain(e));
    }
  }

  // Counts the cards of each machine, where all of them are told.
  #count({ models }) {
    const { frame, wish } = this, cards = Object.keys(models).filter(Boolean), tells = (m) => m && frame.model(m, "system.generation_tokens_per_second", 1, null).some((v) => v !== null);
    frame.cards = cards.length < mostCards && wish.by ? cardsOf(Object.keys(frame.models).filter(tells), cards) : null;
    setText(this.#chart("Tokens by machine").head.querySelector(".unit"), frame.cards ? "written per second and GPU" : "written per second");
  }
}

// cardsOf counts the cards, named machine/number, of machines; null where one has none: lines of which some are divided cannot be held against each other.
export function cardsOf(machines, cards) {
  const count = {};
  for (const c of cards) { const machine = c.slice(0, c.lastIndexOf("/")); count[machine] = (count[machine] ?? 0) + 1; }
  return machines.length && machines.every((m) => count[m]) ? count : null;
}
