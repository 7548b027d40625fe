import type { Backend } from "../../ts/backends/backend.ts";
import { Context } from "../../ts/engine/context.ts";
import { type ContextOptions, resolveContext } from "../../ts/engine/context-options.ts";
import { examine, type ModelParts } from "../../ts/engine/examine.ts";
import { oneBackend } from "../../ts/engine/machine.ts";
import { uploadWeights } from "../../ts/engine/upload.ts";
import { GGML_TYPES } from "../../ts/io/ggml-types.ts";
import { type GgufFile, openGguf } from "../../ts/io/gguf.ts";
import { layoutGguf, type TensorEntry } from "../../ts/io/gguf-writer.ts";
import type { GgufField } from "../../ts/io/metadata.ts";
import { buildModel } from "../../ts/models/architecture.ts";
import { type SynthOptions, synthesize } from "../../ts/synth/index.ts";

export interface TinyOptions extends Omit<SynthOptions, "preset"> {
  readonly architecture: "qwen3next" | "qwen35" | "qwen35moe";
}

/** A whole GGUF of a tiny random model: loadModel takes it as it is. F32 unless said otherwise. */
export async function tinyModel({ architecture, ...options }: TinyOptions): Promise<Uint8Array<ArrayBuffer>> {
  return collect((write) => synthesize({ quant: "F32", ...options, preset: `tiny-${architecture}` }, write));
}

/** What is written, as one piece. */
export async function collect(work: (write: (bytes: Uint8Array) => void) => Promise<unknown>): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  await work((bytes) => void pieces.push(bytes.slice()));
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

export interface EditTensor extends TensorEntry {
  readonly data: Uint8Array;
}

/** A model taken apart: change what you like, then `assemble` it. */
export interface Parts {
  readonly metadata: Map<string, GgufField>;
  readonly tensors: Map<string, EditTensor>;
}

export async function takeApart(bytes: Uint8Array): Promise<Parts> {
  const file = await openGguf(bytes);
  const tensors = [...file.tensors.values()].map(({ name, type, shape, offset, bytes: size }) => {
    return [name, { name, type, shape, data: bytes.slice(offset, offset + size) }] as const;
  });
  return { metadata: new Map(file.metadata.fields), tensors: new Map(tensors) };
}

export function assemble({ metadata, tensors }: Parts): Uint8Array<ArrayBuffer> {
  const list = [...tensors.values()];
  const { header, places, fileBytes } = layoutGguf(metadata, list);
  const out = new Uint8Array(fileBytes);
  out.set(header);
  list.forEach(({ data }, i) => {
    out.set(data, places[i]!.offset);
  });
  return out;
}

/** The tensor's rows as byte ranges: a row is a whole number of blocks. */
export function rowsOf({ type, shape, data }: EditTensor): Uint8Array[] {
  const { blockSize, blockBytes } = GGML_TYPES.get(type)!;
  const bytes = (shape.at(-1)! / blockSize) * blockBytes;
  return Array.from({ length: data.length / bytes }, (_, row) => data.subarray(row * bytes, (row + 1) * bytes));
}

/** A matrix of these rows, [rows.length, K]. */
export function matrixOf(name: string, like: EditTensor, rows: readonly Uint8Array[]): EditTensor {
  const data = new Uint8Array(rows.length * rows[0]!.length);
  rows.forEach((row, i) => {
    data.set(row, i * row.length);
  });
  return { name, type: like.type, shape: [rows.length, like.shape.at(-1)!], data };
}

/** A context over any backend, without loadModel, which makes WASM ones only. */
export async function contextOn(
  backend: Backend,
  bytes: Uint8Array,
  options: ContextOptions = {},
): Promise<{ context: Context; parts: ModelParts }> {
  const file: GgufFile = await openGguf(bytes);
  const parts = examine(file);
  const weights = await uploadWeights(parts.graph.weights, oneBackend(backend));
  const resolved = resolveContext(parts.config, { contextLength: 64, cacheTypeK: "f32", cacheTypeV: "f32", ...options });
  const graph = buildModel(parts.architecture, file, parts.config, resolved.shape);
  const context = await Context.create(
    { config: parts.config, graph, machine: oneBackend(backend), weights, fingerprint: "test" },
    resolved,
    () => {},
  );
  return { context, parts };
}
