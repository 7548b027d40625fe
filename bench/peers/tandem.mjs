// One measurement of Tandem in Node or Deno: node tandem.mjs JOB.json
import { readFileSync } from "node:fs";
import { loadModel } from "../../dist/index.js";
import { speeds } from "./speeds.mjs";

const { file, tokens, generated, threads } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const model = await loadModel(file, { threads });
const context = await model.createContext({ contextLength: tokens.length + generated, ubatch: tokens.length });
const engine = { clear: () => context.clear(), decode: (part) => context.decode({ tokens: part }) };
console.log(JSON.stringify(await speeds(engine, tokens, generated)));
process.exit();
