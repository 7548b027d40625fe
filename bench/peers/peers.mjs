// Tandem beside its peers, in turn, on the same files, prompts and threads; prints tokens a second and ratios.
//   npm run build && npm run bench:peers -- [--rounds 3] [--pp 256] [--tg 64] [--threads 2] [--q8 FILE] [--only native,node] [--folder DIR] [MODEL …]
// Where `chrt -r 1` is allowed the engines run under it, and little else on the machine does meanwhile: REAL_TIME=0 leaves it.
// A busy machine shows in the ranges. The peers and the synthetic models stay in --folder for the next time.

import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { statistics } from "../../dist/index.js";
import { engines, realTime, versions } from "./engines.mjs";
import { defaultModels, installPeers, promptOf, VERSIONS } from "./prepare.mjs";

const near = fileURLToPath(new URL("../../../shared/models/qwen3next-mini-q8_0.gguf", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    pp: { type: "string", default: "256" },
    tg: { type: "string", default: "64" },
    threads: { type: "string", default: "2" },
    only: { type: "string", default: Object.keys(engines).join(",") },
    q8: { type: "string", default: existsSync(near) ? near : undefined },
    folder: { type: "string", default: path.join(os.tmpdir(), "tandem-peers") },
  },
});
const wanted = values.only.split(",");
const PAIRS = [
  ["node", "native"],
  ["deno", "native"],
  ["page", "wllama"],
];

/** The median and the range. */
function spread(list, digits) {
  const values = list.filter((value) => value > 0);
  if (values.length === 0) return "failed";
  const { median, least, most } = statistics(values);
  return `${median.toFixed(digits)} (${least.toFixed(digits)}-${most.toFixed(digits)})`;
}

async function compare(file) {
  const { text, tokens } = await promptOf(file, Number(values.pp));
  const job = { file, text, tokens, generated: Number(values.tg), threads: Number(values.threads), peers: values.folder };
  const rounds = [];
  for (let i = 0; i < Number(values.rounds); i++) {
    const round = {};
    for (const key of i % 2 ? [...wanted].reverse() : wanted) {
      try {
        round[key] = await engines[key].run(job);
      } catch (error) {
        console.error(`# ${engines[key].name}, ${path.basename(file)}: ${String(error.message).split("\n").slice(0, 3).join(" ")}`);
      }
    }
    rounds.push(round);
  }
  console.log(`\n${path.basename(file)}`);
  for (const key of wanted) {
    const column = (speed, digits) =>
      spread(
        rounds.map((round) => round[key]?.[speed]),
        digits,
      ).padEnd(24);
    console.log(`  ${engines[key].name.padEnd(40)} PP ${column("pp", 0)} TG ${column("tg", 1)} t/s`);
  }
  for (const [ours, theirs] of PAIRS.filter((pair) => pair.every((key) => wanted.includes(key)))) {
    const column = (speed) =>
      spread(
        rounds.map((round) => round[ours]?.[speed] / round[theirs]?.[speed]),
        2,
      ).padEnd(24);
    console.log(`  ${`${engines[ours].name} / ${engines[theirs].name}`.padEnd(40)} PP ${column("pp")} TG ${column("tg")}`);
  }
}

installPeers(values.folder);
const files = positionals.length > 0 ? positionals.map((file) => path.resolve(file)) : defaultModels(values.folder, values.q8);
const packages = Object.entries(VERSIONS).map(([name, version]) => `${name} ${version}`);
console.log(
  `${os.cpus()[0].model}, ${os.availableParallelism()} cores, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB, load ${os.loadavg()[0].toFixed(1)}`,
);
console.log([...(await versions()), ...packages].join(", "));
const policy = realTime.length > 0 ? "under chrt -r 1" : "not under chrt: llama.cpp's second thread may collapse";
console.log(
  `${values.threads} threads (llama.cpp: best of 1 and ${values.threads}; ${policy}), prompt ${values.pp}, generated ${values.tg}`,
);
console.log(`median (range) of ${values.rounds} rounds`);
for (const file of files) await compare(file);
