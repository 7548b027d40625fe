import type { ExpertStats } from "../backends/wasm/expert-cache.ts";
import { DisposedError, UnsupportedModelError } from "../errors.ts";
import { downloadAll } from "../io/download.ts";
import { type GgufFile, openGguf } from "../io/gguf.ts";
import type { Metadata } from "../io/metadata.ts";
import type { SourceInput } from "../io/open-source.ts";
import type { DownloadOptions } from "../io/open-url.ts";
import { type Architecture, buildModel } from "../models/architecture.ts";
import type { Config } from "../models/config.ts";
import { ChatTemplate } from "../text/chat-template.ts";
import { Tokenizer } from "../text/tokenizer.ts";
import { Context } from "./context.ts";
import { type ContextOptions, resolveContext } from "./context-options.ts";
import { examine, type ModelParts, unusedNotes } from "./examine.ts";
import { fingerprint } from "./fingerprint.ts";
import { type GenerateOptions, generate, type Piece } from "./generate.ts";
import { type MachineOptions, type OpenMachine, openMachine } from "./open-machine.ts";
import { type UploadOptions, uploadWeights, type WeightBuffers } from "./upload.ts";

/** How a model is loaded: devices, downloads, progress. */
export interface LoadOptions extends MachineOptions, UploadOptions {
  /** For models that come from the network. */
  readonly download?: DownloadOptions;
}

/** What a model is made of, once its weights are in memory. */
export interface LoadedParts {
  readonly file: GgufFile;
  readonly parts: ModelParts;
  readonly tokenizer: Tokenizer;
  readonly machine: OpenMachine;
  readonly weights: WeightBuffers;
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
  /** Bytes of the weights in memory, on all devices. */
  readonly weightBytes: number;
  /** Backends, build, threads and layers on the GPU, for a person to read. */
  readonly device: string;
  readonly gpuLayers: number;
  /** CPU threads, the caller's included. */
  readonly threads: number;
  /** Elements of all tensors of the file. */
  readonly parameters: number;
  readonly #file: GgufFile;
  readonly #architecture: Architecture;
  readonly #machine: OpenMachine;
  readonly #weights: WeightBuffers;
  readonly #contexts = new Set<Context>();
  #disposed = false;

  /** @internal Use loadModel. */
  constructor({ file, parts, tokenizer, machine, weights }: LoadedParts) {
    this.name = file.metadata.optionalString("general.name") ?? file.name;
    this.config = parts.config;
    this.metadata = file.metadata;
    this.tokenizer = tokenizer;
    this.chatTemplate = ChatTemplate.fromMetadata(file.metadata);
    this.notes = unusedNotes(file, parts);
    this.weightBytes = [...weights.values()].flatMap((homes) => [...homes.values()]).reduce((sum, buffer) => sum + buffer.bytes, 0);
    this.device = machine.description;
    this.gpuLayers = machine.gpuLayers;
    this.threads = machine.threads;
    this.parameters = [...file.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    this.#file = file;
    this.#architecture = parts.architecture;
    this.#machine = machine;
    this.#weights = weights;
  }

  /** How the cache of experts has done so far, in all contexts; undefined without `expertCache`, or where all experts fit it. */
  get expertStats(): ExpertStats | undefined {
    return this.#machine.expertStats();
  }

  /** Memory for sequences. Throws InvalidArgumentError for options out of range, OutOfMemoryError, SplitBudgetError. */
  async createContext(options: ContextOptions = {}): Promise<Context> {
    this.#check();
    const resolved = resolveContext(this.config, options);
    const graph = buildModel(this.#architecture, this.#file, this.config, resolved.shape);
    const parts = { config: this.config, graph, machine: this.#machine.machine, weights: this.#weights };
    const print = fingerprint(this.#file, resolved.shape);
    const context = await Context.create({ ...parts, fingerprint: print }, resolved, () => void this.#contexts.delete(context));
    this.#contexts.add(context);
    return context;
  }

  /** Continues a prompt in a context of its own, sized for it and freed at the end. Yields text as it comes. */
  async *generate(
    prompt: string | ArrayLike<number>,
    options: GenerateOptions & ContextOptions = {},
  ): AsyncGenerator<Piece, void, undefined> {
    const tokens = typeof prompt === "string" ? this.tokenizer.encode(prompt) : Array.from(prompt);
    const wanted = tokens.length + (options.maxTokens ?? Number.POSITIVE_INFINITY);
    const contextLength =
      options.contextLength ?? Math.max(tokens.length + 1, Math.min(wanted, this.config.trainedContext, DEFAULT_GENERATION));
    using context = await this.createContext({ ...options, contextLength });
    yield* generate(context, this.tokenizer, tokens, options);
  }

  /** Frees weights, contexts and threads. Further calls throw DisposedError; twice is fine. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const context of this.#contexts) context.dispose();
    this.#machine.close();
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

/** Loads a model without the chat API: see `loadParts`. */
export async function loadModel(input: SourceInput | readonly SourceInput[], options: LoadOptions = {}): Promise<Model> {
  return new Model(await loadParts(input, options));
}

/**
 * Loads a GGUF model of the Qwen3-Next family: a path, a URL, `hf:owner/repo/file.gguf`, a File or Blob, or all shards as an array of Blobs.
 * What comes from the network goes into the model cache, piece by piece, once it is sure that the model will run here; a load that was
 * stopped goes on where it stopped, and a second load makes no request.
 *
 * Throws GgufError (damaged file), UnsupportedModelError, UnsupportedFormatError, InvalidArgumentError (no such file), CapabilityError
 * (no SIMD, no GPU), OutOfMemoryError, NetworkError, IntegrityError, QuotaError, or the signal's reason. Nothing stays allocated then.
 */
export async function loadParts(input: SourceInput | readonly SourceInput[], options: LoadOptions = {}): Promise<LoadedParts> {
  const file = await openGguf(input, options);
  let machine: OpenMachine | undefined;
  try {
    const parts = examine(file);
    const tokenizer = new Tokenizer(file.metadata);
    if (tokenizer.vocabularySize > parts.config.V) {
      throw new UnsupportedModelError(
        `${file.name}: ${tokenizer.vocabularySize} tokens but only ${parts.config.V} embeddings: the file is damaged`,
      );
    }
    machine = await openMachine(file, parts, options);
    await downloadAll(file.sources, options);
    const weights = await uploadWeights(parts.graph.weights, machine.machine, options);
    return { file, parts, tokenizer, machine, weights };
  } catch (error) {
    machine?.close();
    await file.close();
    throw error;
  }
}
