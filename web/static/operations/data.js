// The key figures of any span, in the shape of the live state.
import { sums } from "../ask.js";

const iso = (t) => new Date(Math.ceil(t) * 1000).toISOString();

// figures asks for the numbers of a span and of the same length before it.
export async function figures(view, signal) {
  const { from, to } = view.span(), seconds = Math.max(1, Math.round(to - from)), of = (at, more) => sums("/analytics", { window: seconds, at: iso(at), ...view.narrow, ...more }, signal);
  const [now, before] = await Promise.all([of(to, { group_by: view.filters.tenant && !view.filters.model ? undefined : "model", limit: 50 }), of(from)]);
  const { overall } = now;
  return {
    overall, models: Object.fromEntries(now.groups.filter((g) => g.key.model !== null).map((g) => [g.key.model, g.stats])), window: { ...now.window, seconds: now.window.seconds },
    recent: { overall, previous: before.overall, seconds: now.window.seconds }, completeness: now.completeness, watermark: now.watermark,
    rates: { requests_per_second: overall.requests / now.window.seconds, prompt_tokens_per_second: overall.tokens.prompt / now.window.seconds, completion_tokens_per_second: overall.tokens.completion / now.window.seconds },
    whole: true,
  };
}
