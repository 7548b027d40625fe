/** Runs the matmul kernels of one build as the engine does (quantise, plan, units split between threads), and says what they should give. */

import {
  activationBytes,
  activationKind,
  activationKindId,
  expertPlanBytes,
  expertUnits,
  matmulScratchBytes,
  matmulUnits,
} from "../../ts/backends/wasm/activation.ts";
import { type Format, formatByName, rowBytes } from "../../ts/graph/formats.ts";
import { type Build, Kernels } from "./kernels.ts";
import { randomWeights } from "./weights.ts";

interface Result {
  out: Float32Array;
  /** No kernel wrote behind its output, plan, activations or scratch. */
  intact: boolean;
}

/** Elements that K is a multiple of; float formats have none, and take a number with a tail. */
export function blockOf(format: Format): number {
  const { blockSize } = formatByName(format);
  return blockSize === 1 ? 37 : blockSize;
}

export class MatmulRig {
  readonly kernels: Kernels;
  constructor(build: Build) {
    this.kernels = new Kernels(build);
  }

  weights(format: Format, N: number, K: number, next: () => number): Uint8Array {
    return randomWeights(format, N * K, next);
  }

  /** Whole numbers in -127..127, one of them 127 in every 32: exact in 8 bits per block. f32[T, K] */
  wholeNumbers(T: number, K: number, next: () => number): Float32Array {
    return Float32Array.from({ length: T * K }, (_, i) => (i % 32 === 5 ? 127 : Math.floor(next() * 255) - 127));
  }

  /** x [T, K] · w [N, K]ᵀ in f64. */
  product(format: Format, x: Float32Array, w: Uint8Array, T: number, N: number, K: number): Float64Array {
    const size = rowBytes(format, K);
    const row = new Float32Array(K);
    const out = new Float64Array(T * N);
    for (let n = 0; n < N; n++) {
      formatByName(format).dequantize(w.subarray(n * size, (n + 1) * size), row);
      for (let t = 0; t < T; t++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += x[t * K + k]! * row[k]!;
        out[t * N + n] = sum;
      }
    }
    return out;
  }

  /** The largest difference, relative to the size (root mean square) of all that is wanted. */
  worst(got: Float32Array, want: ArrayLike<number>): number {
    let largest = 0;
    let squares = 0;
    for (let i = 0; i < got.length; i++) {
      const difference = Math.abs(got[i]! - want[i]!);
      if (!(difference <= largest)) largest = difference; // NaN counts
      squares += want[i]! ** 2;
    }
    return largest / Math.sqrt(squares / got.length);
  }

  matmul(format: Format, x: Float32Array, w: Uint8Array, T: number, N: number, K: number, threads = 1): Result {
    const { run } = this.#fresh();
    const outBytes = 4 * T * N;
    const out = this.kernels.alloc(outBytes);
    const at = this.#inputs(format, x, w, T, K);
    const units = matmulUnits(N);
    for (let i = 0; i < threads; i++) {
      const [begin, end] = share(units, i, threads);
      run.matmul!(out, at.x, at.xq, at.w, T, N, K, formatByName(format).ggmlType, at.scratch, begin, end);
    }
    return { out: this.kernels.f32(out, T * N).slice(), intact: at.intact() && this.kernels.guarded(out, outBytes) };
  }

  experts(
    format: Format,
    x: Float32Array,
    w: Uint8Array,
    ids: Int32Array,
    T: number,
    U: number,
    B: number,
    X: number,
    N: number,
    K: number,
  ): Result {
    const { run } = this.#fresh();
    const outBytes = 4 * T * U * N;
    const planBytes = expertPlanBytes(T, U, X);
    const out = this.kernels.alloc(outBytes);
    const plan = this.kernels.alloc(planBytes);
    const at = this.#inputs(format, x, w, T * B, K);
    const idsAt = this.kernels.put(ids);
    run.expert_plan!(plan, idsAt, T, U, X, 0, 1);
    const { ggmlType } = formatByName(format);
    for (let i = 0; i < 2; i++) {
      const [begin, end] = share(expertUnits(T, U, X, N), i, 2);
      run.matmul_experts!(out, at.x, at.xq, at.w, idsAt, plan, 0, T, U, B, X, N, K, ggmlType, at.scratch, begin, end);
    }
    const intact = at.intact() && this.kernels.guarded(out, outBytes) && this.kernels.guarded(plan, planBytes);
    return { out: this.kernels.f32(out, T * U * N).slice(), intact };
  }

  #fresh(): Kernels {
    this.kernels.reset();
    return this.kernels;
  }

  /** Weights, x, quantised x and scratch in the kernels' memory. */
  #inputs(format: Format, x: Float32Array, w: Uint8Array, rows: number, K: number) {
    const kernels = this.kernels;
    const kind = activationKind(format);
    const xqBytes = activationBytes(kind, rows, K);
    const scratchBytes = matmulScratchBytes(K);
    const at = { x: kernels.put(x), xq: kernels.alloc(xqBytes), w: kernels.put(w), scratch: kernels.alloc(scratchBytes) };
    if (kind !== "none") kernels.run.quantize!(at.xq, at.x, rows, K, activationKindId[kind], 0, rows);
    return { ...at, intact: () => kernels.guarded(at.xq, xqBytes) && kernels.guarded(at.scratch, scratchBytes) };
  }
}

/** Units of thread i of n. */
function share(units: number, i: number, n: number): [begin: number, end: number] {
  return [Math.floor((units * i) / n), Math.floor((units * (i + 1)) / n)];
}
