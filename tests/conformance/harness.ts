import type { Backend, BackendBuffer, Location, Plan, Split } from "../../ts/backends/backend.ts";
import { ReferenceBackend } from "../../ts/backends/reference/reference.ts";
import { tensorBytes } from "../../ts/graph/bytes.ts";
import { type Format, formatByName } from "../../ts/graph/formats.ts";
import { Graph } from "../../ts/graph/graph.ts";
import type { Case, OpDeclaration } from "../../ts/graph/op.ts";
import { parseSignature } from "../../ts/graph/signature.ts";
import { type Dims, elements, type Tensor } from "../../ts/graph/tensor.ts";
import { normals, random, randomWeights } from "./weights.ts";

/** Nothing in a case varies between runs: T and O are numbers there. */
const dims: Dims = { T: 1, O: 1 };

/** Formats that a case's weights and caches take in one run of the suite. */
export interface Formats {
  readonly weight: Format;
  readonly cache: Format;
}

/** One op with one case's shapes and data: a graph of a single node. */
export interface Problem {
  readonly graph: Graph;
  /** Every tensor that has to be filled before the run, with its bytes. */
  readonly data: ReadonlyMap<Tensor, Uint8Array>;
  /** What the op makes or changes. */
  readonly results: readonly Tensor[];
}

type Apply = (inputs: Record<string, Tensor>, params: Record<string, number>) => unknown;

export function makeProblem(apply: Apply, op: OpDeclaration, sizes: Case, formats: Formats, seed = 1): Problem {
  const graph = new Graph();
  const next = random(seed);
  const data = new Map<Tensor, Uint8Array>();
  const inputs: Record<string, Tensor> = {};
  for (const [argument, text] of Object.entries(op.inputs)) {
    const { type, axes } = parseSignature(text);
    const shape = axes.map(({ letter }) => extentOf(sizes, letter, op.name));
    if (type === "weight") {
      const { blockSize } = formatByName(formats.weight);
      shape[shape.length - 1] = Math.ceil(shape.at(-1)! / blockSize) * blockSize; // every format runs every case
      inputs[argument] = graph.weight(argument, formats.weight, shape);
      data.set(inputs[argument], randomWeights(formats.weight, elements(shape, dims), next));
    } else if (type === "cache") {
      inputs[argument] = graph.state(argument, formats.cache, shape);
      data.set(inputs[argument], randomWeights(formats.cache, elements(shape, dims), next));
    } else if (type === "i32") {
      const values = sizes[argument];
      if (!Array.isArray(values)) throw new Error(`${op.name}: a case must give the i32 input ${argument}`);
      inputs[argument] = graph.input(argument, "I32", shape);
      data.set(inputs[argument], new Uint8Array(Int32Array.from(values).buffer));
    } else {
      const mutated = op.mutates.includes(argument);
      inputs[argument] = mutated ? graph.state(argument, "F32", shape) : graph.input(argument, "F32", shape);
      // matmul: whole numbers, exact after rounding to 8 bits a block, so that every format's kernel can be held to the op's tolerance
      const values = op.inputs.w && argument === "x" ? exactActivations(elements(shape, dims), next) : normals(elements(shape, dims), next);
      // A delta net's A is -exp(A_log): above 0 its state would grow e-fold a token, past all that float32 can tell apart.
      if (op.name === "gated_delta" && argument === "A") values.set(values.map((value) => -Math.abs(value)));
      data.set(inputs[argument], new Uint8Array(values.buffer));
    }
  }
  const params = Object.fromEntries(Object.keys(op.params).map((param) => [param, sizes[param] as number]));
  apply(inputs, params);
  const node = graph.nodes[0]!;
  return { graph, data, results: [...Object.values(node.outputs), ...op.mutates.map((argument) => inputs[argument]!)] };
}

function extentOf(sizes: Case, letter: string, op: string): number {
  const constant = Number(letter);
  const value = Number.isNaN(constant) ? sizes[letter] : constant;
  if (typeof value !== "number") throw new Error(`${op}: a case lacks the extent ${letter}`);
  return value;
}

/** -127 … 127, with a 127 at the start of every 32: scale 1 in any block size. */
function exactActivations(count: number, next: () => number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (i % 32 === 0 ? 127 : Math.floor(next() * 255) - 127));
}

/** Runs a problem and returns each result's bytes. */
export async function runProblem(backend: Backend, problem: Problem): Promise<Uint8Array[]> {
  const locations = new Map<Tensor, Location>();
  const buffers: BackendBuffer[] = [];
  let plan: Plan | undefined;
  try {
    for (const tensor of [...problem.data.keys(), ...problem.results]) {
      if (locations.has(tensor)) continue;
      const buffer = backend.alloc(tensorBytes(tensor, dims));
      buffers.push(buffer);
      locations.set(tensor, { buffer, offset: 0 });
    }
    for (const [tensor, bytes] of problem.data) backend.write(locations.get(tensor)!.buffer, 0, bytes);
    const split: Split = { nodes: problem.graph.nodes, locations, max: dims };
    plan = await backend.prepare(split);
    backend.run(plan, dims);
    return await Promise.all(problem.results.map((tensor) => backend.read(locations.get(tensor)!.buffer, 0, tensorBytes(tensor, dims))));
  } finally {
    plan?.dispose();
    for (const buffer of buffers) backend.free(buffer);
  }
}

/** Largest difference of two results relative to the reference's root mean square; i32 results must be equal (0 or infinity). */
export function error(tensor: Tensor, got: Uint8Array, want: Uint8Array): number {
  if (tensor.type === "I32") return got.every((byte, i) => byte === want[i]) ? 0 : Number.POSITIVE_INFINITY;
  const a = decode(tensor, got);
  const b = decode(tensor, want);
  const rms = Math.sqrt(b.reduce((sum, value) => sum + value * value, 0) / b.length) || 1;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!) / rms;
    if (!(difference <= worst)) worst = difference; // a NaN stays
  }
  return worst;
}

function decode(tensor: Tensor, bytes: Uint8Array): Float32Array {
  const out = new Float32Array(elements(tensor.shape, dims));
  formatByName(tensor.type as Format).dequantize(bytes, out);
  return out;
}

/** The worst error over a problem's results. */
export async function compare(backend: Backend, problem: Problem): Promise<number> {
  const want = await runProblem(new ReferenceBackend(), problem);
  const got = await runProblem(backend, problem);
  return Math.max(...problem.results.map((tensor, i) => error(tensor, got[i]!, want[i]!)));
}
