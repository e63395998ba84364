// Colours: after Okabe and Ito, tuned for each background. A model keeps its colour for the life of the page.
const light = ["#0b6bcb", "#e08a00", "#0a9b78", "#b9548a", "#4aa8df", "#cc4b14", "#8f8300", "#5a5fc7"];
const dark = ["#4b9ff2", "#f2ae49", "#31c49c", "#df8db9", "#86d2fb", "#f5825a", "#d3c84f", "#9a9ff0"];
const greys = { light: "#8a93a3", dark: "#7d8797" };

export const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");
export const color = (i) => (theme() === "dark" ? dark : light)[i % light.length];
export const grey = () => greys[theme()];
export const named = { blue: 0, amber: 1, green: 2, pink: 3, sky: 4, red: 5, olive: 6, violet: 7 };

const places = new Map();
const taken = new Set();
export const OTHER = "__other__";

const wished = (name) => { let h = 0; for (const c of name) h = Math.imul(h ^ c.codePointAt(0), 0x01000193); return (h >>> 8) % light.length; };

// A stable place in the palette for each model: the one that its name wishes for, or the next that is free. So a reload changes nothing, nor who else is
// there, unless two wish for the same; what names none takes what is left.
export function place(models) {
  for (const m of [...models].sort().reverse()) {
    if (m === OTHER || places.has(m)) continue;
    let at = wished(m);
    for (let i = 0; i < light.length && taken.has(at); i++) at = (at + 1) % light.length;
    places.set(m, at);
    taken.add(at);
  }
}
export const modelColor = (m) => (m === OTHER || !places.has(m) ? grey() : color(places.get(m)));
export const modelName = (m) => (m === OTHER ? "other models" : m === "" ? "no model named" : m);

// The value of a variable of the style sheets. It is looked up once for each theme: a look makes the browser lay out what was just written.
const known = new Map();
export function css(name) {
  const key = `${theme()} ${name}`;
  if (!known.has(key)) known.set(key, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return known.get(key);
}

// How many px a tenth of the style sheets' rem is: 1 at a desk, more on a wall. Charts know it as u.unit.
export const scale = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 10;

// The opaque colour that part of a over the page's surface gives.
export function mix(a, part) {
  const p = (c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16));
  const [x, y] = [p(a), p(css("--surface"))];
  return `rgb(${x.map((v, i) => Math.round(v * part + y[i] * (1 - part))).join(" ")})`;
}
