import { reshape } from "../graph/graph.ts";
import {
  add,
  attention,
  conv1d,
  expertsSum,
  gatedDelta,
  gatedNorm,
  getRows,
  kvWrite,
  matmul,
  matmulExperts,
  rmsNorm,
  rope,
  router,
  sigmoidMul,
  siluMul,
} from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Architecture, Building, LayerState } from "./architecture.ts";

/** Blocks that the architectures of the family share. x is the residual stream or its norm, [T, E]; i the layer. */

/** The weights of a delta-net layer's projections, however the file packs them. */
export interface DeltaProjections {
  readonly qkv: Tensor; // [C, E]
  readonly z: Tensor; // [Hv · Dv, E]
  readonly b: Tensor; // [Hv, E]
  readonly a: Tensor; // [Hv, E]
}

/** The weights of an attention layer's projections. */
export interface AttentionProjections {
  readonly q: Tensor; // [H · D, E]
  readonly gate: Tensor; // [H · D, E]
  readonly k: Tensor; // [G · D, E]
  readonly v: Tensor; // [G · D, E]
}

/** Gated DeltaNet. `tiled`: value head h reads key head h mod Hk (qwen35), else h / (Hv / Hk) (qwen3next). */
export function deltaNet(m: Building, i: number, x: Tensor, w: DeltaProjections, tiled: boolean): { out: Tensor; state: LayerState } {
  const { graph, weights, config, context, inputs } = m;
  const { E, C, K, Hk, Hv, Dk, Dv, eps } = config;
  const R = graph.state(`R-${i}`, "F32", [context.sequences, K - 1, C]);
  const S = graph.state(`S-${i}`, "F32", [context.sequences, Hv, Dv, Dk]);
  const qkv = matmul({ x, w: w.qkv }, {}, `qkv-${i}`); // [T, C]
  const z = matmul({ x, w: w.z }, {}, `z-${i}`); // [T, Hv · Dv]
  const b = matmul({ x, w: w.b }, {}, `b-${i}`); // [T, Hv]
  const a = matmul({ x, w: w.a }, {}, `a-${i}`); // [T, Hv]
  const taps = weights.transposed(`blk.${i}.ssm_conv1d.weight`, [C, K]); // [K, C]
  const mixed = conv1d({ x: qkv, weight: taps, state: R, rows: inputs.rows }, {}, `conv-${i}`); // [T, C]
  const dt = weights.vector(`blk.${i}.ssm_dt.bias`, [Hv]);
  const A = weights.vector(`blk.${i}.ssm_a`, [Hv]);
  const o = gatedDelta({ qkv: mixed, a, b, dt, A, state: S, rows: inputs.rows }, { Hk, tiled: tiled ? 1 : 0, eps }, `delta-${i}`); // [T, Hv, Dv]
  const norm = weights.vector(`blk.${i}.ssm_norm.weight`, [Dv]);
  const normed = gatedNorm({ x: o, gate: reshape(z, ["T", Hv, Dv]), weight: norm }, { eps }, `delta_norm-${i}`); // [T, Hv, Dv]
  const out = weights.matrix(`blk.${i}.ssm_out.weight`, [E, Hv * Dv]);
  return { out: matmul({ x: reshape(normed, ["T", Hv * Dv]), w: out }, {}, `delta_out-${i}`), state: { kind: "recurrent", R, S } }; // [T, E]
}

/** Attention with per-head norms, partial rope and an output gate. */
export function gatedAttention(m: Building, i: number, x: Tensor, w: AttentionProjections): { out: Tensor; state: LayerState } {
  const { graph, weights, config, context, inputs } = m;
  const { E, H, G, D, eps } = config;
  const { rows, positions, rotation } = inputs;
  const K = graph.state(`K-${i}`, context.cacheTypeK, [context.sequences, G, context.contextLength, D]);
  const V = graph.state(`V-${i}`, context.cacheTypeV, [context.sequences, G, context.contextLength, D]);
  const heads = (t: Tensor, n: number) => reshape(t, ["T", n, D]);
  const q = heads(matmul({ x, w: w.q }, {}, `q-${i}`), H); // [T, H, D]
  const k = heads(matmul({ x, w: w.k }, {}, `k-${i}`), G); // [T, G, D]
  const v = heads(matmul({ x, w: w.v }, {}, `v-${i}`), G); // [T, G, D]
  const gate = matmul({ x, w: w.gate }, {}, `gate-${i}`); // [T, H · D]
  const qNorm = rmsNorm({ x: q, weight: weights.vector(`blk.${i}.attn_q_norm.weight`, [D]) }, { eps }, `q_norm-${i}`); // [T, H, D]
  const kNorm = rmsNorm({ x: k, weight: weights.vector(`blk.${i}.attn_k_norm.weight`, [D]) }, { eps }, `k_norm-${i}`); // [T, G, D]
  const qRope = rope({ x: qNorm, rotation }, {}, `q_rope-${i}`); // [T, H, D]
  const kRope = rope({ x: kNorm, rotation }, {}, `k_rope-${i}`); // [T, G, D]
  kvWrite({ k: kRope, v, kCache: K, vCache: V, rows, positions }, {}, `kv-${i}`);
  const mixed = attention({ q: qRope, kCache: K, vCache: V, rows, positions }, { scale: 1 / Math.sqrt(D) }, `attn-${i}`); // [T, H, D]
  const gated = sigmoidMul({ x: reshape(mixed, ["T", H * D]), gate }, {}, `attn_gated-${i}`); // [T, H · D]
  const out = weights.matrix(`blk.${i}.attn_output.weight`, [E, H * D]);
  return { out: matmul({ x: gated, w: out }, {}, `attn_out-${i}`), state: { kind: "attention", K, V } }; // [T, E]
}

/** SwiGLU: down(silu(gate x) · up x). */
export function denseFfn(m: Building, i: number, x: Tensor): Tensor {
  const { E, F } = m.config;
  return swiGlu(m, i, x, "", F, E);
}

function swiGlu({ weights }: Building, i: number, x: Tensor, suffix: string, F: number, E: number): Tensor {
  const gate = matmul({ x, w: weights.matrix(`blk.${i}.ffn_gate${suffix}.weight`, [F, E]) }, {}, `ffn_gate${suffix}-${i}`); // [T, F]
  const up = matmul({ x, w: weights.matrix(`blk.${i}.ffn_up${suffix}.weight`, [F, E]) }, {}, `ffn_up${suffix}-${i}`); // [T, F]
  const inner = siluMul({ gate, up }, {}, `ffn_silu${suffix}-${i}`); // [T, F]
  return matmul({ x: inner, w: weights.matrix(`blk.${i}.ffn_down${suffix}.weight`, [E, F]) }, {}, `ffn_down${suffix}-${i}`); // [T, E]
}

/** Mixture of experts, plus the shared expert under its own gate where the file has one. */
export function moeFfn(m: Building, i: number, x: Tensor): Tensor {
  const { weights, config } = m;
  const { E, X, U, expertF: F, sharedF } = config;
  const logits = matmul({ x, w: weights.matrix(`blk.${i}.ffn_gate_inp.weight`, [X, E]) }, {}, `ffn_moe_logits-${i}`); // [T, X]
  const { ids, weights: mix } = router({ logits }, { U }, `ffn_moe-${i}`); // [T, U] both
  const each = reshape(x, ["T", 1, E]);
  const { gate: wGate, up: wUp } = expertWeights(m, i);
  const gate = matmulExperts({ x: each, w: wGate, ids }, {}, `ffn_moe_gate-${i}`); // [T, U, F]
  const up = matmulExperts({ x: each, w: wUp, ids }, {}, `ffn_moe_up-${i}`); // [T, U, F]
  const inner = siluMul({ gate, up }, {}, `ffn_moe_silu-${i}`); // [T, U, F]
  const down = matmulExperts({ x: inner, w: weights.matrix(`blk.${i}.ffn_down_exps.weight`, [X, E, F]), ids }, {}, `ffn_moe_down-${i}`); // [T, U, E]
  const routed = expertsSum({ x: down, weights: mix }, {}, `ffn_moe_out-${i}`); // [T, E]
  if (!weights.has(`blk.${i}.ffn_gate_inp_shexp.weight`)) return routed;
  const shared = swiGlu(m, i, x, "_shexp", sharedF, E); // [T, E]
  const sharedGate = matmul({ x, w: weights.matrix(`blk.${i}.ffn_gate_inp_shexp.weight`, [1, E]) }, {}, `shexp_gate-${i}`); // [T, 1]
  const gated = sigmoidMul({ x: shared, gate: sharedGate }, {}, `shexp_gated-${i}`); // [T, E]
  return add({ x: routed, y: gated }, {}, `ffn_out-${i}`); // [T, E]
}

/** Experts' gate and up [X, F, E], from two tensors or from the rows of one (ffn_gate_up_exps: gate's F rows, then up's, an expert). */
function expertWeights({ weights, config }: Building, i: number): { gate: Tensor; up: Tensor } {
  const { E, X, expertF: F } = config;
  const fused = `blk.${i}.ffn_gate_up_exps.weight`;
  if (!weights.has(fused)) {
    return {
      gate: weights.matrix(`blk.${i}.ffn_gate_exps.weight`, [X, F, E]),
      up: weights.matrix(`blk.${i}.ffn_up_exps.weight`, [X, F, E]),
    };
  }
  const half = (part: string, skip: number) => {
    const rows = () => Array.from({ length: X }, (_, x) => ({ first: 2 * F * x + skip, count: F }));
    return weights.rows(fused, part, [X, 2 * F, E], [X, F, E], rows);
  };
  return { gate: half("gate", 0), up: half("up", F) };
}

/** Projections of an attention layer. attn_q's rows are, for each head, D of the query and D of the gate. */
export function attentionProjections({ weights, config }: Building, i: number): AttentionProjections {
  const { E, H, G, D } = config;
  const perHead = (skip: number) => () => Array.from({ length: H }, (_, h) => ({ first: 2 * D * h + skip, count: D }));
  const fused = `blk.${i}.attn_qkv.weight`;
  const name = weights.has(fused) ? fused : `blk.${i}.attn_q.weight`;
  const whole = weights.has(fused) ? [2 * H * D + 2 * G * D, E] : [2 * H * D, E];
  const q = weights.rows(name, "q", whole, [H * D, E], perHead(0));
  const gate = weights.rows(name, "gate", whole, [H * D, E], perHead(D));
  if (name !== fused) {
    return { q, gate, k: weights.matrix(`blk.${i}.attn_k.weight`, [G * D, E]), v: weights.matrix(`blk.${i}.attn_v.weight`, [G * D, E]) };
  }
  const k = weights.rows(fused, "k", whole, [G * D, E], () => [{ first: 2 * H * D, count: G * D }]);
  const v = weights.rows(fused, "v", whole, [G * D, E], () => [{ first: 2 * H * D + G * D, count: G * D }]);
  return { q, gate, k, v };
}

/** Two residual steps a layer, then the head: the frame that all architectures of the family share. */
export function decoder(
  m: Building,
  mixer: (i: number, x: Tensor) => { out: Tensor; state: LayerState },
  ffn: (i: number, x: Tensor) => Tensor,
): ReturnType<Architecture["build"]> {
  const { weights, config, inputs } = m;
  const { E, V, L, eps } = config;
  const embedding = weights.matrix("token_embd.weight", [V, E]);
  let x = getRows({ w: embedding, ids: inputs.tokens }, {}, "embedding"); // [T, E]
  const residuals = [x];
  const layers: LayerState[] = [];
  for (let i = 0; i < L; i++) {
    const before = rmsNorm({ x, weight: weights.vector(`blk.${i}.attn_norm.weight`, [E]) }, { eps }, `attn_norm-${i}`); // [T, E]
    const { out, state } = mixer(i, before); // [T, E]
    const middle = add({ x, y: out }, {}, `attn_residual-${i}`); // [T, E]
    const after = rmsNorm(
      { x: middle, weight: weights.vector(`blk.${i}.post_attention_norm.weight`, [E]) },
      { eps },
      `attn_post_norm-${i}`,
    ); // [T, E]
    x = add({ x: middle, y: ffn(i, after) }, {}, `l_out-${i}`); // [T, E]
    layers.push(state);
    residuals.push(x);
  }
  const wanted = getRows({ w: x, ids: inputs.outputs }, {}, "l_out_wanted"); // [O, E]
  const hidden = rmsNorm({ x: wanted, weight: weights.vector("output_norm.weight", [E]) }, { eps }, "result_norm"); // [O, E]
  const head = weights.has("output.weight") ? weights.matrix("output.weight", [V, E]) : embedding; // tied where the file has none
  const logits = matmul({ x: hidden, w: head }, {}, "result_output"); // [O, V]
  return { layers, hidden, logits, residuals };
}
