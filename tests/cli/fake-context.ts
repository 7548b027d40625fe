import type { MeasuredContext } from "../../ts/measure/timing.ts";

/**
 * A context with a clock of its own: what it does is written down, and each call costs time. A decode takes 8 ms and 1 ms a token and 1/128
 * ms a token already held (exact in binary); all else takes seconds, which must never be in a measured time.
 */
export class FakeContext implements MeasuredContext {
  readonly shape: MeasuredContext["shape"];
  readonly log: string[] = [];
  readonly tokens: number[] = [];
  /** Called with the number of each decode, before it. */
  onDecode: (count: number) => void = () => undefined;
  #clock = 0;
  #decodes = 0;
  #length = 0;
  readonly #checkpoints: number[] = [];
  readonly #keeps: number;

  constructor(contextLength: number, ubatch: number, checkpoints = 1) {
    this.shape = { contextLength, sequences: 1, cacheTypeK: "F16", cacheTypeV: "F16", max: { T: ubatch, O: 1 } };
    this.#keeps = checkpoints;
  }

  readonly now = () => this.#clock;

  async decode(request: Parameters<MeasuredContext["decode"]>[0], { signal }: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    const { tokens } = request as { tokens: number[] };
    this.onDecode(++this.#decodes);
    signal?.throwIfAborted();
    this.log.push(`decode ${tokens.length} at ${this.#length}`);
    this.tokens.push(...tokens);
    this.#clock += 8 + tokens.length + this.#length / 128;
    this.#length += tokens.length;
    return [new Float32Array(1)];
  }

  async *greedy(token: number): AsyncGenerator<number, void, undefined> {
    for (;;) {
      await this.decode({ tokens: [token] });
      yield token;
    }
  }

  async clear(): Promise<void> {
    this.#waste("clear");
    this.#length = 0;
    this.#checkpoints.length = 0;
  }

  async checkpoint(): Promise<void> {
    this.#waste(`checkpoint ${this.#length}`);
    if (this.#keeps > 0 && this.#length > 0) this.#checkpoints.push(this.#length);
  }

  async rewind(length: number): Promise<number> {
    this.#waste(`rewind ${length}`);
    this.#length = this.#checkpoints.findLast((one) => one <= length) ?? 0;
    return this.#length;
  }

  async settle(): Promise<void> {
    this.#waste("settle");
  }

  /** 10 bytes a token and 1000 for all tokens. */
  activeBytes(tokens = 1): ReadonlyMap<string, number> {
    return new Map([["wasm", 1000 + 10 * tokens]]);
  }

  #waste(what: string): void {
    this.log.push(what);
    this.#clock += 5000;
  }
}
