import { type Format, rowBytes } from "../graph/formats.ts";
import { resolveSizes, type Sizes, type SynthOptions } from "./options.ts";
import { ATTENTION_INTERVAL, CONV_TAPS } from "./presets.ts";
import { chooseFormat, type Place } from "./quants.ts";

/** What a tensor is filled with. */
export type Fill =
  /** Random weights of mean 0. */
  | { readonly kind: "weights"; readonly std: number }
  /** About 1. */
  | { readonly kind: "norm" }
  /** ssm_a: -exp(uniform). */
  | { readonly kind: "decay" }
  /** ssm_dt.bias. */
  | { readonly kind: "step" };

/** One tensor of the file. */
export interface PlannedTensor {
  readonly name: string;
  /** Row-major: the last dimension is contiguous. */
  readonly shape: readonly number[];
  readonly format: Format;
  readonly bytes: number;
  readonly fill: Fill;
}

/** Every tensor of the file that `synthesize` writes with these options, in its order. Throws InvalidArgumentError. */
export function tensorPlan(options: SynthOptions): PlannedTensor[] {
  return planTensors(resolveSizes(options));
}

export function planTensors(sizes: Sizes): PlannedTensor[] {
  const plan = new Planner(sizes);
  const { E, L, V, tied, mtp } = sizes;
  plan.matrix("token_embd.weight", [V, E]);
  for (let i = 0; i < L; i++) planLayer(plan, sizes, i, (i + 1) % ATTENTION_INTERVAL !== 0);
  if (mtp) planMtpLayer(plan, sizes);
  plan.vector("output_norm.weight", E, { kind: "norm" });
  if (!tied) plan.matrix("output.weight", [V, E]);
  return plan.tensors;
}

function planLayer(plan: Planner, sizes: Sizes, i: number, recurrent: boolean): void {
  const { E, L } = sizes;
  plan.vector(`blk.${i}.attn_norm.weight`, E, { kind: "norm" });
  if (recurrent) planDeltaNet(plan, sizes, i);
  else planAttention(plan, sizes, i);
  plan.vector(`blk.${i}.post_attention_norm.weight`, E, { kind: "norm" });
  const place = { index: i, count: L };
  if (sizes.X > 0) planExperts(plan, sizes, `blk.${i}`, place);
  else planSwiGlu(plan, `blk.${i}`, "", sizes.F, E, place);
}

function planDeltaNet(plan: Planner, { architecture, layout, E, Hk, Hv, Dk, Dv }: Sizes, i: number): void {
  const C = 2 * Hk * Dk + Hv * Dv;
  if (layout === "packed") {
    plan.matrix(`blk.${i}.ssm_in.weight`, [C + Hv * Dv, E]);
  } else {
    plan.matrix(`blk.${i}.attn_qkv.weight`, [C, E]);
    plan.matrix(`blk.${i}.attn_gate.weight`, [Hv * Dv, E]);
  }
  if (architecture === "qwen3next") {
    plan.matrix(`blk.${i}.ssm_ba.weight`, [2 * Hv, E]);
  } else {
    plan.matrix(`blk.${i}.ssm_beta.weight`, [Hv, E]);
    plan.matrix(`blk.${i}.ssm_alpha.weight`, [Hv, E]);
  }
  plan.exact(`blk.${i}.ssm_conv1d.weight`, [C, CONV_TAPS]);
  plan.vector(`blk.${i}.ssm_dt.bias`, Hv, { kind: "step" });
  plan.vector(`blk.${i}.ssm_a`, Hv, { kind: "decay" });
  plan.vector(`blk.${i}.ssm_norm.weight`, Dv, { kind: "norm" });
  plan.residual(`blk.${i}.ssm_out.weight`, [E, Hv * Dv]);
}

function planAttention(plan: Planner, { E, H, G, D, L }: Sizes, i: number): void {
  const place = { index: Math.floor(i / ATTENTION_INTERVAL), count: Math.floor(L / ATTENTION_INTERVAL) };
  plan.matrix(`blk.${i}.attn_q.weight`, [2 * H * D, E]);
  plan.matrix(`blk.${i}.attn_k.weight`, [G * D, E]);
  plan.matrix(`blk.${i}.attn_v.weight`, [G * D, E], place);
  plan.vector(`blk.${i}.attn_q_norm.weight`, D, { kind: "norm" });
  plan.vector(`blk.${i}.attn_k_norm.weight`, D, { kind: "norm" });
  plan.residual(`blk.${i}.attn_output.weight`, [E, H * D]);
}

function planSwiGlu(plan: Planner, block: string, suffix: string, F: number, E: number, place: Place): void {
  plan.matrix(`${block}.ffn_gate${suffix}.weight`, [F, E]);
  plan.matrix(`${block}.ffn_up${suffix}.weight`, [F, E]);
  plan.residual(`${block}.ffn_down${suffix}.weight`, [E, F], place);
}

function planExperts(plan: Planner, { E, X, expertF, sharedF, fusedExperts }: Sizes, block: string, place: Place): void {
  plan.exact(`${block}.ffn_gate_inp.weight`, [X, E]);
  if (fusedExperts) {
    plan.matrix(`${block}.ffn_gate_up_exps.weight`, [X, 2 * expertF, E]);
  } else {
    plan.matrix(`${block}.ffn_gate_exps.weight`, [X, expertF, E]);
    plan.matrix(`${block}.ffn_up_exps.weight`, [X, expertF, E]);
  }
  plan.residual(`${block}.ffn_down_exps.weight`, [X, E, expertF], place);
  plan.vector(`${block}.ffn_gate_inp_shexp.weight`, E, { kind: "weights", std: 1 / Math.sqrt(E) });
  planSwiGlu(plan, block, "_shexp", sharedF, E, place);
}

/** A layer of attention that the next-but-one token is predicted with, after all others. */
function planMtpLayer(plan: Planner, sizes: Sizes): void {
  const { E, L } = sizes;
  planLayer(plan, sizes, L, false);
  plan.matrix(`blk.${L}.nextn.eh_proj.weight`, [E, 2 * E]);
  for (const norm of ["enorm", "hnorm", "shared_head_norm"]) plan.vector(`blk.${L}.nextn.${norm}.weight`, E, { kind: "norm" });
}

/** Collects tensors, choosing format and scale. */
class Planner {
  readonly tensors: PlannedTensor[] = [];
  readonly #sizes: Sizes;

  constructor(sizes: Sizes) {
    this.#sizes = sizes;
  }

  /** A matrix, or a stack of them: 1 / sqrt(K) keeps what comes out as large as what goes in. */
  matrix(name: string, shape: readonly number[], place: Place = { index: 0, count: 1 }): void {
    this.#matrix(name, shape, 1, place);
  }

  /** A matrix whose product is added to the residual stream: 2 L of them shall add up to about 1. Source: GPT-2's initialisation. */
  residual(name: string, shape: readonly number[], place: Place = { index: 0, count: 1 }): void {
    this.#matrix(name, shape, 1 / Math.sqrt(2 * this.#sizes.L), place);
  }

  /** A matrix that no quantiser touches: router and conv taps. */
  exact(name: string, shape: readonly number[]): void {
    this.#add(name, shape, "F32", { kind: "weights", std: 1 / Math.sqrt(shape.at(-1)!) });
  }

  vector(name: string, length: number, fill: Fill): void {
    this.#add(name, [length], "F32", fill);
  }

  #matrix(name: string, shape: readonly number[], gain: number, place: Place): void {
    const K = shape.at(-1)!;
    const { quant, tied } = this.#sizes;
    this.#add(name, shape, chooseFormat(quant, name, K, place, tied), { kind: "weights", std: gain / Math.sqrt(K) });
  }

  #add(name: string, shape: readonly number[], format: Format, fill: Fill): void {
    const K = shape.at(-1)!;
    const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
    this.tensors.push({ name, shape, format, bytes: rows * rowBytes(format, K), fill });
  }
}
