/** What the comparison needs and the package does not ship: the peers, and models of real shapes. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { openGguf, Tokenizer } from "../../dist/index.js";

export const VERSIONS = { "node-llama-cpp": "3.22.1", "@wllama/wllama": "3.5.1" };
const root = fileURLToPath(new URL("../../", import.meta.url));
const note = (text) => console.error(`# ${text}`);

/** Installs the peers into a folder of their own, unless they are there. node-llama-cpp's binary is an npm package: nothing is compiled. */
export function installPeers(folder) {
  mkdirSync(folder, { recursive: true });
  const binary = `@node-llama-cpp/${process.platform === "darwin" ? "mac" : process.platform}-${process.arch}`;
  const packages = { ...VERSIONS, [binary]: VERSIONS["node-llama-cpp"] };
  if (Object.keys(packages).every((name) => existsSync(path.join(folder, "node_modules", name)))) return;
  const list = Object.entries(packages).map(([name, version]) => `${name}@${version}`);
  note(`npm install ${list.join(" ")} in ${folder}`);
  writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
  const flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", "--loglevel=error"];
  execFileSync("npm", ["install", ...flags, ...list], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

/** The models when none are named: the trained mini model, and random weights in the shapes of two real ones. */
export function defaultModels(folder, q8) {
  const synth = (name, args) => {
    const file = path.join(folder, name);
    if (!existsSync(file)) {
      note(`tandem synth ${args.join(" ")}`);
      execFileSync(process.execPath, [path.join(root, "dist/cli.js"), "synth", ...args, "--quant", "Q4_K", "-o", file], {
        stdio: "ignore",
      });
    }
    return file;
  };
  const files = [path.join(root, "examples/models/qwen3next-mini-q4_k_m.gguf")];
  if (q8) files.push(q8);
  else note("SKIPPED: the mini model in Q8_0 is not in the repository: name it with --q8 FILE");
  files.push(synth("qwen35-0.8b-q4_k.gguf", ["qwen35-0.8b"]));
  files.push(synth("qwen3next-4-layers-64-experts-q4_k.gguf", ["qwen3next-80b-a3b", "--layers", "4", "--experts", "64"]));
  return files;
}

/** A text of exactly so many tokens, and the tokens: wllama takes text only. */
export async function promptOf(file, count) {
  const gguf = await openGguf(file);
  const tokenizer = new Tokenizer(gguf.metadata);
  await gguf.close();
  const words = "the package is a small server that reads files and writes them to disk for other programs on the network".split(" ");
  let text = "";
  for (let i = 0; ; i++) {
    const longer = `${text}${text && " "}${words[(i * 7) % words.length]}`;
    if (tokenizer.encode(longer).length > count) break;
    text = longer;
  }
  while (tokenizer.encode(text).length < count) text += "!?"[text.length % 2];
  return { text, tokens: tokenizer.encode(text) };
}
