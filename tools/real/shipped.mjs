// Checks the manifests of deploy/kubernetes against the schema of Kubernetes, the Containerfile, and the dashboards of deploy/grafana against the types of
// Grafana, with packages of npm. Each checker is shown a fault first, so that one that finds nothing is not taken for a pass.
import { readFileSync, readdirSync, writeFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import YAML from "yaml";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const root = process.argv[2];
let faults = 0;
const fault = (text) => { faults++; console.log(text); };

// ---- Kubernetes
function manifest(doc) {
  const [group, version] = doc.apiVersion.includes("/") ? doc.apiVersion.split("/") : ["", doc.apiVersion];
  const kinds = require(["kubernetes-models", group, version].filter(Boolean).join("/"));
  if (!kinds[doc.kind]) throw new Error(`there is no ${doc.kind} in ${doc.apiVersion}`);
  new kinds[doc.kind](doc).validate();
}
function refuses(what, doc) {
  try { manifest(doc); } catch { return; }
  fault(`the schema of Kubernetes takes ${what}`);
}
const documents = readdirSync(join(root, "deploy/kubernetes")).flatMap((f) => YAML.parseAllDocuments(readFileSync(join(root, "deploy/kubernetes", f), "utf8")).map((d) => {
  if (d.errors.length) fault(`${f}: ${d.errors[0]}`);
  return d.toJS();
}));
for (const doc of documents) {
  try { manifest(doc); } catch (e) { fault(`${doc.kind} ${doc.metadata?.name}: ${e.message}`); }
}
const set = documents.find((d) => d.kind === "StatefulSet");
refuses("a word for a number", { ...set, spec: { ...set.spec, replicas: "one" } });
refuses("a set without a selector", { ...set, spec: { ...set.spec, selector: undefined } });
const ports = set.spec.template.spec.containers[0].ports.map((p) => p.name);
for (const p of documents.find((d) => d.kind === "Service").spec.ports) if (!ports.includes(p.targetPort)) fault(`the service names the port ${p.targetPort}, which no container has`);
console.log(`ok: ${documents.length} manifests fit the schema of Kubernetes`);

// ---- Containerfile
const { validate } = require("dockerfile-utils");
const file = readFileSync(join(root, "Containerfile"), "utf8");
for (const p of validate(file)) fault(`Containerfile:${p.range.start.line + 1}: ${p.message}`);
if (!validate(file.replace("WORKDIR /src", "WORKDIR")).length) fault("the checker of container files finds no fault");
console.log("ok: the Containerfile has no fault");

// ---- Grafana
const ts = require("typescript");
mkdirSync(join(here, "boards"), { recursive: true });
const boards = readdirSync(join(root, "deploy/grafana")).filter((f) => f.endsWith(".json"));
// The types name the values of some texts, as enumerations of TypeScript.
const named = (json) => json.replaceAll('"mode": "absolute"', '"mode": ThresholdsMode.Absolute').replaceAll('"type": "value"', '"type": MappingType.ValueToText');
const source = (json) => `import { type Dashboard, MappingType, ThresholdsMode } from "@grafana/schema";\nexport const board: Dashboard = ${named(json)};\nexport const used = [MappingType, ThresholdsMode];\n`;
const write = (name, json) => { const path = join(here, "boards", name + ".ts"); writeFileSync(path, source(json)); return path; };
const paths = boards.map((f) => write(basename(f, ".json"), readFileSync(join(root, "deploy/grafana", f), "utf8")));
const wrong = write("wrong", readFileSync(join(root, "deploy/grafana", boards[0]), "utf8").replace('"refresh": "30s"', '"refresh": 30'));
const program = ts.createProgram([...paths, wrong], { noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, types: [] });
let found = 0;
for (const d of ts.getPreEmitDiagnostics(program)) {
  if (d.file?.fileName === wrong) { found++; continue; }
  fault(`${basename(d.file?.fileName ?? "")}: ${ts.flattenDiagnosticMessageText(d.messageText, " ")}`);
}
if (!found) fault("the types of Grafana take a number for a text");
if (!faults) console.log(`ok: ${boards.length} dashboards fit the types of Grafana`);
process.exit(faults ? 1 : 0);
