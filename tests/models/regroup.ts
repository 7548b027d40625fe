import { type EditTensor, matrixOf, type Parts, rowsOf } from "./tiny.ts";

/** The delta net's numbers of a file that was taken apart. */
function deltaSizes({ metadata }: Parts) {
  const of = (key: string) => Number(metadata.get(`qwen3next.ssm.${key}`)!.value);
  const [Hk, Hv, Dk] = [of("group_count"), of("time_step_rank"), of("state_size")];
  return { Hk, Hv, Dk, Dv: of("inner_size") / Hv, r: Hv / Hk };
}

function each(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function layersWith(parts: Parts, suffix: string): string[] {
  return [...parts.tensors.keys()].filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
}

/** attn_qkv [all q, all k, all v] and attn_gate become ssm_in, whose rows are, a key head, [q, k, its v heads, their z]. */
export function packProjections(parts: Parts): Parts {
  const { Hk, Dk, Dv, r } = deltaSizes(parts);
  const tensors = new Map(parts.tensors);
  for (const block of layersWith(parts, ".ssm_a")) {
    const qkvTensor = tensors.get(`${block}.attn_qkv.weight`)!;
    const qkv = rowsOf(qkvTensor);
    const z = rowsOf(tensors.get(`${block}.attn_gate.weight`)!);
    const rows = each(Hk).flatMap((g) => [
      ...qkv.slice(g * Dk, (g + 1) * Dk),
      ...qkv.slice((Hk + g) * Dk, (Hk + g + 1) * Dk),
      ...qkv.slice(2 * Hk * Dk + g * r * Dv, 2 * Hk * Dk + (g + 1) * r * Dv),
      ...z.slice(g * r * Dv, (g + 1) * r * Dv),
    ]);
    tensors.delete(qkvTensor.name);
    tensors.delete(`${block}.attn_gate.weight`);
    const name = `${block}.ssm_in.weight`;
    tensors.set(name, matrixOf(name, qkvTensor, rows));
  }
  return { metadata: parts.metadata, tensors };
}

/**
 * A qwen3next file as the qwen35moe file of the same model: value heads in the order in which qwen35's converter has them, the first of
 * every key head, then the second of every one ("tiled"); ssm_ba as ssm_beta and ssm_alpha.
 */
export function tileValueHeads(parts: Parts): Parts {
  const { Hk, Hv, Dk, Dv, r } = deltaSizes(parts);
  const order = each(Hv).map((h) => (h % Hk) * r + Math.floor(h / Hk)); // tiled head h was grouped head order[h]
  const reorder = <T>(items: readonly T[], size: number) => order.flatMap((h) => items.slice(h * size, (h + 1) * size));
  const tensors = new Map(parts.tensors);
  const change = (name: string, rows: (rows: Uint8Array[]) => Uint8Array[]) => {
    const tensor = tensors.get(name)!;
    tensors.set(name, { ...matrixOf(name, tensor, rows(rowsOf(tensor))), shape: tensor.shape });
  };
  for (const block of layersWith(parts, ".ssm_a")) {
    const behindKeys = (rows: Uint8Array[]) => [...rows.slice(0, 2 * Hk * Dk), ...reorder(rows.slice(2 * Hk * Dk), Dv)];
    change(`${block}.attn_qkv.weight`, behindKeys);
    change(`${block}.ssm_conv1d.weight`, behindKeys);
    change(`${block}.attn_gate.weight`, (rows) => reorder(rows, Dv));
    for (const vector of [`${block}.ssm_a`, `${block}.ssm_dt.bias`]) change(vector, ([row]) => [pick(row!, order, 1)]);
    change(`${block}.ssm_out.weight`, (rows) => rows.map((row) => pick(row, order, Dv)));
    const ba = tensors.get(`${block}.ssm_ba.weight`)!; // a key head's rows: [b r, a r]
    const rows = rowsOf(ba);
    tensors.delete(ba.name);
    for (const [suffix, skip] of [
      ["ssm_beta", 0],
      ["ssm_alpha", r],
    ] as const) {
      const name = `${block}.${suffix}.weight`;
      const grouped = each(Hv).map((h) => rows[2 * r * Math.floor(h / r) + skip + (h % r)]!);
      tensors.set(name, matrixOf(name, ba, reorder(grouped, 1)));
    }
  }
  const renamed = [...parts.metadata].map(([key, field]) => [key.replace(/^qwen3next\./, "qwen35moe."), field] as const);
  const metadata = new Map([
    ...renamed,
    ["general.architecture", { type: "string", value: "qwen35moe" }] as const,
    ["qwen35moe.rope.dimension_sections", { type: "array of i32", value: Int32Array.of(3, 3, 2, 0) }] as const,
  ]);
  return { metadata, tensors };
}

/** Runs of `size` f32 elements of a row, in this order. */
function pick(row: Uint8Array, order: readonly number[], size: number): Uint8Array {
  const values = new Float32Array(row.slice().buffer);
  const out = Float32Array.from(order.flatMap((h) => [...values.subarray(h * size, (h + 1) * size)]));
  return new Uint8Array(out.buffer);
}

/** ffn_gate_exps and ffn_up_exps become ffn_gate_up_exps: an expert's gate rows, then its up rows. */
export function fuseExperts(parts: Parts): Parts {
  const tensors = new Map(parts.tensors);
  for (const block of layersWith(parts, ".ffn_gate_exps.weight")) {
    const take = (name: string): EditTensor => {
      const tensor = tensors.get(`${block}.${name}.weight`)!;
      tensors.delete(tensor.name);
      return tensor;
    };
    const [gate, up] = [take("ffn_gate_exps"), take("ffn_up_exps")];
    const [X, F, E] = gate.shape as [number, number, number];
    const [gates, ups] = [rowsOf(gate), rowsOf(up)];
    const rows = each(X).flatMap((x) => [...gates.slice(x * F, (x + 1) * F), ...ups.slice(x * F, (x + 1) * F)]);
    const name = `${block}.ffn_gate_up_exps.weight`;
    tensors.set(name, { ...matrixOf(name, gate, rows), shape: [X, 2 * F, E] });
  }
  return { metadata: parts.metadata, tensors };
}
