import { type Format, formatByName, formats } from "../graph/formats.ts";

/** What a file's weights are written in: a format, or llama.cpp's mix Q4_K_M. */
export type Quant = Format | "Q4_K_M";

export const quants: readonly Quant[] = [...formats.map(({ name }) => name), "Q4_K_M"];

/** general.file_type of a quantisation, where there is one (llama.cpp, enum llama_ftype). */
export const FILE_TYPES: Readonly<Partial<Record<Quant, number>>> = {
  ...{ F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7, Q5_0: 8, Q5_1: 9, Q2_K: 10, Q3_K: 12, Q4_K: 14, Q4_K_M: 15, Q5_K: 16, Q6_K: 18 },
  ...{ IQ4_NL: 25, IQ4_XS: 30, BF16: 32, MXFP4: 38 },
};

/** Where a matrix stands among those of its kind. */
export interface Place {
  /** Layer, or attention layer for attn_v. */
  readonly index: number;
  readonly count: number;
}

/** The format of one matrix with rows of K elements. A row must be whole blocks: Q8_0 stands in where it is not, then F16. */
export function chooseFormat(quant: Quant, name: string, K: number, place: Place, tied: boolean): Format {
  const wanted = quant === "Q4_K_M" ? mixed(name, place, tied) : quant;
  return [wanted, "Q8_0" as const, "F16" as const].find((format) => K % formatByName(format).blockSize === 0)!;
}

/** Q4_K_M as llama.cpp's llama_tensor_get_type makes it: more bits for the head, fused qkv, and half of attn_v and ffn_down. */
function mixed(name: string, place: Place, tied: boolean): Format {
  if (name === "output.weight" || (tied && name === "token_embd.weight")) return "Q6_K";
  if (name.endsWith(".attn_qkv.weight")) return "Q5_K";
  if (/\.(attn_v|ffn_down\w*)\.weight$/.test(name)) return needsMoreBits(place) ? "Q6_K" : "Q4_K";
  return "Q4_K";
}

/** The first and last eighth, and every third between them. */
function needsMoreBits({ index, count }: Place): boolean {
  const eighth = Math.floor(count / 8);
  return index < eighth || index >= Math.floor((7 * count) / 8) || (index - eighth) % 3 === 2;
}
