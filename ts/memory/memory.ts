import { ContextOverflowError, InvalidArgumentError, SessionError } from "../errors.ts";
import { tensorBytes } from "../graph/bytes.ts";
import { type Format, rowBytes } from "../graph/formats.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { LayerState } from "../models/architecture.ts";
import { packSnapshot, unpackSnapshot } from "./snapshot.ts";

/** How the memory reaches the state tensors. */
export interface StateAccess {
  write(tensor: Tensor, data: Uint8Array, offset: number): void;
  read(tensor: Tensor, offset: number, bytes: number): Promise<Uint8Array>;
}

export interface MemoryOptions {
  readonly contextLength: number;
  readonly sequences: number;
  /** Checkpoints kept a sequence; the oldest goes first. */
  readonly checkpoints: number;
  readonly fingerprint: string;
}

/** R and S of one sequence as they were after `length` tokens. */
interface Checkpoint {
  readonly length: number;
  readonly parts: readonly Uint8Array[];
}

/** Bytes of the parts in which a sequence's memory is read and written, the same for every sequence. */
export interface MemoryLayout {
  /** Of R and S, in each recurrent layer. */
  readonly state: readonly number[];
  /** Of one cell, for K and V and each kv head, in each attention layer. */
  readonly cell: readonly number[];
}

/** Cells of the KV cache, of the tokens from `from` on: as many of them in each part as there are tokens. */
export interface CellSpan {
  readonly from: number;
  readonly parts: readonly Uint8Array[];
}

/** A piece of a state tensor that belongs to one sequence. */
interface Piece {
  readonly tensor: Tensor;
  readonly offset: number;
  readonly bytes: number;
}

/** No extents of a state vary. */
const FIXED = { T: 1, O: 1 };

/**
 * What the sequences of a context remember: KV cache cells, and the recurrent state R and S. KV can be cut back to any length;
 * recurrent state only to a checkpoint. Only `commit` moves a length forward.
 */
export class SequenceMemory {
  readonly #layers: readonly LayerState[];
  readonly #access: StateAccess;
  readonly #options: MemoryOptions;
  readonly #lengths: number[];
  readonly #checkpoints: Checkpoint[][];
  readonly layout: MemoryLayout;

  constructor(layers: readonly LayerState[], access: StateAccess, options: MemoryOptions) {
    this.#layers = layers;
    this.#access = access;
    this.#options = options;
    this.#lengths = Array.from({ length: options.sequences }, () => 0);
    this.#checkpoints = Array.from({ length: options.sequences }, () => []);
    this.layout = { state: this.#recurrent(0).map(({ bytes }) => bytes), cell: this.#cells(0, 0, 1).map(({ bytes }) => bytes) };
  }

  /** Of the model and the cache's types. */
  get fingerprint(): string {
    return this.#options.fingerprint;
  }

  /** Tokens that a sequence holds. Throws InvalidArgumentError for a sequence that does not exist. */
  length(sequence: number): number {
    const length = this.#lengths[sequence];
    if (length === undefined) {
      throw new InvalidArgumentError(
        `sequence must be 0 to ${this.#options.sequences - 1}, got ${sequence}: create the context with more sequences`,
      );
    }
    return length;
  }

  /** Lengths that `rewind` can restore exactly, rising. */
  checkpoints(sequence: number): readonly number[] {
    this.length(sequence);
    return this.#checkpoints[sequence]!.map((checkpoint) => checkpoint.length);
  }

  /** Throws ContextOverflowError unless the sequence has room for so many more tokens. */
  reserve(sequence: number, tokens: number): void {
    const length = this.length(sequence);
    const { contextLength } = this.#options;
    if (length + tokens > contextLength) {
      throw new ContextOverflowError(
        `sequence ${sequence} holds ${length} of ${contextLength} tokens and cannot take ${tokens} more: use a context of at least ` +
          `${length + tokens}, or rewind or clear the sequence`,
      );
    }
  }

  /** The backend has taken these tokens in. */
  commit(sequence: number, tokens: number): void {
    this.#lengths[sequence] = this.length(sequence) + tokens;
  }

  /** Remembers the recurrent state as it is now, for `rewind`. */
  async checkpoint(sequence: number): Promise<void> {
    const length = this.length(sequence);
    const list = this.#checkpoints[sequence]!;
    if (length === 0 || this.#options.checkpoints === 0 || list.some((checkpoint) => checkpoint.length === length)) return;
    const parts = await this.#readAll(this.#recurrent(sequence));
    list.push({ length, parts });
    list.sort((a, b) => a.length - b.length);
    if (list.length > this.#options.checkpoints) list.shift();
  }

  /**
   * Cuts a sequence back to `length` tokens or, where recurrent layers have no checkpoint there, to the newest one below it.
   * Returns the length really restored: the caller decodes the rest again.
   */
  rewind(sequence: number, length: number): number {
    const current = this.length(sequence);
    if (!Number.isInteger(length) || length < 0)
      throw new InvalidArgumentError(`rewind: length must be a whole number >= 0, got ${length}`);
    if (length >= current) return current;
    const recurrent = this.#recurrent(sequence);
    if (recurrent.length === 0) {
      this.#lengths[sequence] = length;
      return length;
    }
    return this.#restore(sequence, length);
  }

  /** After a run that failed half way: back to the newest checkpoint, or to nothing. Returns the length restored. */
  recover(sequence: number): number {
    return this.#restore(sequence, this.length(sequence));
  }

  /** Forgets a sequence. Its recurrent state is zero again; cells of the KV cache need not be, nothing reads past the length. */
  clear(sequence: number): void {
    this.length(sequence);
    for (const piece of this.#recurrent(sequence)) this.#access.write(piece.tensor, new Uint8Array(piece.bytes), piece.offset);
    this.#lengths[sequence] = 0;
    this.#checkpoints[sequence] = [];
  }

  /** The sequence as bytes, for `load` here, in another context or in another process with the same model and cache types. */
  async save(sequence: number): Promise<Uint8Array> {
    const length = this.length(sequence);
    const parts = await this.#readAll([...this.#recurrent(sequence), ...this.#cells(sequence, 0, length)]);
    return packSnapshot(this.#options.fingerprint, length, parts);
  }

  /** Replaces a sequence by a saved one. Throws SessionError, and leaves the sequence as it is, for bytes that do not fit. */
  load(sequence: number, bytes: Uint8Array): void {
    this.length(sequence);
    const { length, parts } = unpackSnapshot(bytes, this.#options.fingerprint);
    if (length > this.#options.contextLength) {
      throw new SessionError(`saved state: it holds ${length} tokens, this context ${this.#options.contextLength}: create a longer one`);
    }
    const { state, cell } = this.layout;
    const sizes = [...state, ...cell.map((bytes) => bytes * length)];
    if (sizes.length !== parts.length || sizes.some((size, i) => size !== parts[i]!.length)) {
      throw new SessionError("saved state: its parts do not have this model's sizes: save the sequence again with this model");
    }
    this.assemble(sequence, length, parts.slice(0, state.length), [{ from: 0, parts: parts.slice(state.length) }]);
  }

  /** R and S of a sequence as they are now, in the parts of `layout.state`. */
  readState(sequence: number): Promise<Uint8Array[]> {
    return this.#readAll(this.#recurrent(sequence));
  }

  /** The cells of a sequence's tokens `from` to `to` (not included). */
  async readCells(sequence: number, from: number, to: number): Promise<CellSpan> {
    return { from, parts: await this.#readAll(this.#cells(sequence, from, to)) };
  }

  /** Makes a sequence hold `length` tokens: R and S as given, and these cells beside those that its stripe of the cache holds already. */
  assemble(sequence: number, length: number, state: readonly Uint8Array[], spans: readonly CellSpan[]): void {
    this.length(sequence);
    this.#recurrent(sequence).forEach((piece, i) => void this.#access.write(piece.tensor, state[i]!, piece.offset));
    for (const { from, parts } of spans) {
      this.#cells(sequence, from, length).forEach((piece, i) => void this.#access.write(piece.tensor, parts[i]!, piece.offset));
    }
    this.#lengths[sequence] = length;
    this.#checkpoints[sequence] = [];
  }

  #restore(sequence: number, length: number): number {
    const checkpoint = this.#checkpoints[sequence]!.findLast((one) => one.length <= length);
    if (!checkpoint) {
      this.clear(sequence);
      return 0;
    }
    this.#recurrent(sequence).forEach((piece, i) => void this.#access.write(piece.tensor, checkpoint.parts[i]!, piece.offset));
    this.#lengths[sequence] = checkpoint.length;
    this.#checkpoints[sequence] = this.#checkpoints[sequence]!.filter((one) => one.length <= checkpoint.length);
    return checkpoint.length;
  }

  /** A sequence's rows of R and S in every recurrent layer. */
  #recurrent(sequence: number): Piece[] {
    return this.#layers.flatMap((layer) => {
      if (layer.kind !== "recurrent") return [];
      return [layer.R, layer.S].map((tensor) => {
        const bytes = tensorBytes(tensor, FIXED) / this.#options.sequences;
        return { tensor, offset: sequence * bytes, bytes };
      });
    });
  }

  /** The cells `from` to `to` (not included) of each kv head of a sequence: caches are [S, G, N, D]. */
  #cells(sequence: number, from: number, to: number): Piece[] {
    return this.#layers.flatMap((layer) => {
      if (layer.kind !== "attention") return [];
      return [layer.K, layer.V].flatMap((tensor) => {
        const [, G, N, D] = tensor.shape as [number, number, number, number];
        const cellBytes = rowBytes(tensor.type as Format, D);
        return Array.from({ length: G }, (_, g) => {
          return { tensor, offset: ((sequence * G + g) * N + from) * cellBytes, bytes: (to - from) * cellBytes };
        });
      });
    });
  }

  async #readAll(pieces: readonly Piece[]): Promise<Uint8Array[]> {
    return Promise.all(pieces.map((piece) => this.#access.read(piece.tensor, piece.offset, piece.bytes)));
  }
}
