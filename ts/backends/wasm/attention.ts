import type { Scalars } from "../../graph/tensor.ts";

/** Cells whose scores share one softmax: assembly/attention/quad.ts. */
const CHUNK = 512;
/** Most tokens times kv heads whose cells threads share chunk by chunk: more are units enough. */
const SHARED = 16;
/** Queries of a unit of `attention`, unless one token's heads are more: assembly/ops/attention.ts. */
const QUERIES = 64;
/** assembly/attention/tile.ts: one column of a block of widened cells. */
const COLUMN_BYTES = 1088;
/** assembly/attention/constants.ts. */
const CONSTANTS_BYTES = 256;

/** Whether threads share the cells of a token, by attention_parts and attention_merge, not only tokens and heads. */
export function sharesCells({ T, G, N }: Scalars): boolean {
  return T! * G! <= SHARED && N! > CHUNK;
}

/** Chunks of all tokens' cells: the units of attention_parts. */
export function partUnits({ T, G, N }: Scalars): number {
  return Math.ceil(N! / CHUNK) * T! * G!;
}

/** Bytes of what attention_parts leaves, for every run of at most T tokens. */
export function partsBytes(s: Scalars): number {
  const most = { ...s, T: Math.min(s.T!, Math.floor(SHARED / s.G!)) };
  return sharesCells(most) ? partUnits(most) * Math.ceil(s.H! / s.G! / 4) * stateBytes(s.D!) : 0;
}

/** Scratch of one thread, for any number of tokens. */
export function attentionScratchBytes({ H, G, D }: Scalars): number {
  const quads = Math.ceil(Math.max(QUERIES, H! / G!) / 4);
  return CONSTANTS_BYTES + (D! / 4) * COLUMN_BYTES + quads * (16 * D! + 16 * CHUNK + 2 * stateBytes(D!));
}

/** Of a quad of queries: top, sum and weighted values. */
function stateBytes(D: number): number {
  return 32 + 16 * D;
}
