import type { Backend } from "../backends/backend.ts";
import { WasmBackend } from "../backends/wasm/wasm.ts";
import { DisposedError, UnsupportedModelError } from "../errors.ts";
import { type GgufFile, openGguf } from "../io/gguf.ts";
import type { Metadata } from "../io/metadata.ts";
import type { SourceInput } from "../io/open-source.ts";
import { type Architecture, buildModel, type ModelGraph } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { identify } from "../models/index.ts";
import { ChatTemplate } from "../text/chat-template.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import { Context, type ContextOptions, resolveContext } from "./context.ts";
import { fingerprint } from "./fingerprint.ts";
import { type GenerateOptions, generate, type Piece } from "./generate.ts";
import { type LoadProgress, uploadWeights, type WeightBuffers } from "./upload.ts";

export interface LoadOptions {
  /** CPU threads (-t), the caller's included. Default: the machine's cores; 1 where a page is not cross-origin isolated. */
  readonly threads?: number;
  /** Which build of the CPU kernels. Default: relaxed SIMD where the JavaScript engine has it. */
  readonly wasmBuild?: "simd" | "relaxed";
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** A loaded model: weights in memory, ready for contexts. Made by `loadModel`. */
export class Model {
  readonly name: string;
  readonly config: Config;
  readonly metadata: Metadata;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** Parts of the file that are not used, for a person to read: multi-token-prediction layers, unknown tensors. */
  readonly notes: readonly string[];
  /** Bytes of the weights in memory. */
  readonly weightBytes: number;
  /** Backend, build and threads, for a person to read. */
  readonly device: string;
  readonly #file: GgufFile;
  readonly #architecture: Architecture;
  readonly #backend: Backend;
  readonly #weights: WeightBuffers;
  readonly #contexts = new Set<Context>();
  #disposed = false;

  /** @internal Use loadModel. */
  constructor(file: GgufFile, parts: ModelParts, tokenizer: Tokenizer, backend: WasmBackend, weights: WeightBuffers) {
    this.name = file.metadata.optionalString("general.name") ?? file.name;
    this.config = parts.config;
    this.metadata = file.metadata;
    this.tokenizer = tokenizer;
    this.chatTemplate = ChatTemplate.fromMetadata(file.metadata);
    this.notes = unusedNotes(file, parts);
    this.weightBytes = [...weights.values()].reduce((sum, buffer) => sum + buffer.bytes, 0);
    this.device = `wasm (${backend.build === "relaxed" ? "relaxed SIMD" : "SIMD"}, ${backend.threads} thread${backend.threads === 1 ? "" : "s"})`;
    this.#file = file;
    this.#architecture = parts.architecture;
    this.#backend = backend;
    this.#weights = weights;
  }

  /** Memory for sequences. Throws InvalidArgumentError for options out of range, OutOfMemoryError. */
  async createContext(options: ContextOptions = {}): Promise<Context> {
    this.#check();
    const resolved = resolveContext(this.config, options);
    const graph = buildModel(this.#architecture, this.#file, this.config, resolved.shape);
    const parts = { config: this.config, graph, backend: this.#backend, weights: this.#weights };
    const print = fingerprint(this.#file, resolved.shape);
    const context = await Context.create({ ...parts, fingerprint: print }, resolved, () => void this.#contexts.delete(context));
    this.#contexts.add(context);
    return context;
  }

  /** Continues a prompt in a context of its own, sized for it and freed at the end. Yields text as it comes. */
  async *generate(prompt: string | ArrayLike<number>, options: GenerateOptions & ContextOptions = {}): AsyncGenerator<Piece, void, undefined> {
    const tokens = typeof prompt === "string" ? this.tokenizer.encode(prompt) : Array.from(prompt);
    const wanted = tokens.length + (options.maxTokens ?? Number.POSITIVE_INFINITY);
    const contextLength = options.contextLength ?? Math.max(tokens.length + 1, Math.min(wanted, this.config.trainedContext, DEFAULT_GENERATION));
    using context = await this.createContext({ ...options, contextLength });
    yield* generate(context, this.tokenizer, tokens, options);
  }

  /** Frees weights, contexts and threads. Further calls throw DisposedError; twice is fine. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const context of this.#contexts) context.dispose();
    this.#backend.close();
    void this.#file.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new DisposedError("this model was disposed: load it again");
  }
}

/** Context of a generation that names none. */
const DEFAULT_GENERATION = 4096;

/** What a file turns out to be. */
export interface ModelParts {
  readonly architecture: Architecture;
  readonly config: Config;
  /** The graph at the smallest context: which weights there are. */
  readonly graph: ModelGraph;
}

/** Reads a file's keys and checks that every tensor of its graph is there. Throws GgufError, UnsupportedModelError, UnsupportedFormatError. */
export function examine(file: GgufFile): ModelParts {
  const { architecture, config } = identify(file);
  return { architecture, config, graph: buildModel(architecture, file, config, resolveContext(config, { contextLength: 1, ubatch: 1 }).shape) };
}

/** Tensors that no weight of the graph is made from. */
function unusedNotes(file: GgufFile, { config, graph }: ModelParts): string[] {
  const used = new Set([...graph.weights.sources.values()].map((source) => source.tensor));
  const unused = [...file.tensors.values()].filter((tensor) => !used.has(tensor));
  const isMtp = (name: string) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1) >= config.L;
  const mtp = unused.filter((tensor) => isMtp(tensor.name));
  const others = unused.filter((tensor) => !isMtp(tensor.name));
  const notes: string[] = [];
  if (config.mtpLayers > 0) notes.push(`${config.mtpLayers} multi-token-prediction layer(s) skipped (${mtp.length} tensors): they only serve speculative decoding`);
  if (others.length > 0) notes.push(`${others.length} tensor(s) not used: ${others.slice(0, 5).map((t) => t.name).join(", ")}${others.length > 5 ? ", …" : ""}`);
  return notes;
}

/**
 * Loads a GGUF model of the Qwen3-Next family: a path, a File or Blob, or all shards as an array of Blobs.
 *
 * Throws GgufError (damaged file), UnsupportedModelError, UnsupportedFormatError, InvalidArgumentError (no such file), CapabilityError
 * (no SIMD), OutOfMemoryError, or the signal's reason. Nothing stays allocated then.
 */
export async function loadModel(input: SourceInput | readonly SourceInput[], options: LoadOptions = {}): Promise<Model> {
  const file = await openGguf(input, options);
  let backend: WasmBackend | undefined;
  try {
    const parts = examine(file);
    const tokenizer = new Tokenizer(file.metadata);
    if (tokenizer.vocabularySize > parts.config.V) {
      throw new UnsupportedModelError(`${file.name}: ${tokenizer.vocabularySize} tokens but only ${parts.config.V} embeddings: the file is damaged`);
    }
    backend = await WasmBackend.create({ threads: options.threads, build: options.wasmBuild });
    const weights = await uploadWeights(parts.graph.weights, backend, options);
    return new Model(file, parts, tokenizer, backend, weights);
  } catch (error) {
    backend?.close();
    await file.close();
    throw error;
  }
}
