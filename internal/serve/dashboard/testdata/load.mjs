// Reads a file of the boards as a module, whatever its name says, and with it what it imports.
import { readFileSync } from "node:fs";

function moduleAt(url) {
  const text = readFileSync(url, "utf8").replace(/from "(\.\.?\/[^"]+)"/g, (_, name) => `from "${moduleAt(new URL(name, url))}"`);
  return "data:text/javascript;base64," + Buffer.from(text).toString("base64");
}
export const load = (name) => import(moduleAt(new URL(`../../../../web/static/${name}`, import.meta.url)));
