/**
 * Compiles assembly/ to build/kernels.simd.wasm and build/kernels.relaxed.wasm, after writing what hangs from the kernels' signatures:
 *   build/dispatch.ts  a switch from opcode to kernel that loads the arguments from a command
 *   build/kernels.js   opcode and argument names of each kernel, for ts/backends/wasm, with its types beside it
 * Does nothing when no source has changed since the last build.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { promisify } from "node:util";

/** How each argument type is read from a command. The last three arguments, where present, come from the interpreter. */
const LOADS = { usize: (o) => `<usize>load<u32>(a, ${o})`, u32: (o) => `load<u32>(a, ${o})`, f32: (o) => `load<f32>(a, ${o})` };
const FROM_INTERPRETER = ["scratch", "begin", "end"];
/** A command has 128 bytes, 32 of them header. */
const MAX_ARGUMENTS = 24;

function parseKernels() {
  const kernels = [];
  for (const file of readdirSync("assembly/ops").sort()) {
    const source = readFileSync(`assembly/ops/${file}`, "utf8");
    for (const [, name, list] of source.matchAll(/^export function (\w+)\((.*)\): void \{/gm)) {
      const args = list.split(",").map((part) => part.trim().split(/:\s*/));
      const passed = args.filter(([arg]) => !FROM_INTERPRETER.includes(arg));
      for (const [arg, type] of passed)
        if (!LOADS[type]) throw new Error(`${file}: ${name}: argument ${arg} has type ${type}, not usize, u32 or f32`);
      if (passed.length > MAX_ARGUMENTS)
        throw new Error(`${file}: ${name} has ${passed.length} arguments, a command holds ${MAX_ARGUMENTS}`);
      kernels.push({ name, module: `../assembly/ops/${file.replace(/\.ts$/, "")}`, args, passed });
    }
  }
  return kernels;
}

function dispatchSource(kernels) {
  const cases = kernels.map(({ name, args }, opcode) => {
    let offset = 0;
    const values = args.map(([arg, type]) => {
      if (FROM_INTERPRETER.includes(arg)) return arg;
      const value = LOADS[type](offset);
      offset += 4;
      return value;
    });
    return `    case ${opcode}: ${name}(${values.join(", ")}); break;`;
  });
  const imports = kernels.map(({ name, module }) => `import { ${name} } from "${module}";`);
  return `${imports.join("\n")}
export { ${kernels.map(({ name }) => name).join(", ")} };
export function dispatch(opcode: u32, a: usize, scratch: usize, begin: u32, end: u32): void {
  switch (opcode) {
${cases.join("\n")}
  }
}
`;
}

function tableSource(kernels) {
  const rows = kernels.map(({ name, passed }, opcode) => {
    const args = passed.map(([arg, type]) => `{ name: "${arg}", type: "${type}" }`).join(", ");
    return `  ${name}: { opcode: ${opcode}, args: [${args}] },`;
  });
  return `export const kernels = {\n${rows.join("\n")}\n};\n`;
}

const TABLE_TYPES = `export interface Kernel {
  readonly opcode: number;
  readonly args: readonly { readonly name: string; readonly type: "usize" | "u32" | "f32" }[];
}
export const kernels: Readonly<Record<string, Kernel>>;
`;

async function compile(name, features) {
  const flags =
    "--runtime stub -O3 --converge --noAssert --importMemory --sharedMemory --initialMemory 2 --maximumMemory 65536 --noExportMemory";
  // The first page is the engine's (job, barrier): static data, if any, comes after it.
  const args = [
    "assembly/index.ts",
    "-o",
    `build/kernels.${name}.wasm`,
    ...flags.split(" "),
    "--memoryBase",
    "65536",
    "--debug",
    "--debug",
    "--enable",
    features,
  ];
  const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
  await promisify(execFile)(process.execPath, [asc, ...args]).catch((error) => {
    throw new Error(`asc (${name}): ${error.stderr || error.message}`);
  });
}

function hashSources() {
  const hash = createHash("sha256");
  const files = readdirSync("assembly", { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of [
    ...files.map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`).sort(),
    "scripts/build-wasm.mjs",
    "package-lock.json",
  ]) {
    hash.update(path).update(readFileSync(path));
  }
  return hash.digest("hex");
}

const hash = hashSources();
let built = "";
try {
  built = readFileSync("build/hash", "utf8");
} catch {}
if (built !== hash) {
  const kernels = parseKernels();
  mkdirSync("build", { recursive: true });
  writeFileSync("build/dispatch.ts", dispatchSource(kernels));
  writeFileSync("build/kernels.js", tableSource(kernels));
  writeFileSync("build/kernels.d.ts", TABLE_TYPES);
  await Promise.all([compile("simd", "simd,threads"), compile("relaxed", "simd,threads,relaxed-simd")]);
  writeFileSync("build/hash", hash);
}
