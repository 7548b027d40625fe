import { alternatives } from "./terminals.ts";

/** Bounds of a number, inclusive unless `above` or `below` is exclusive. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly exclusiveMin?: boolean;
  readonly exclusiveMax?: boolean;
}

/** The largest magnitude that is written: every integer up to it is exact in float64. */
export const LARGEST = 999_999_999_999_999;

/** EBNF of the integers from `min` to `max`, both within ±LARGEST; undefined when there is none. */
export function integerRange(min: number, max: number): string | undefined {
  if (min > max) return undefined;
  const parts: string[] = [];
  if (max >= 0) parts.push(naturals(Math.max(min, 0), max));
  if (min < 0) parts.push(`"-" ${alternatives([naturals(Math.max(1, -max), -min)])}`);
  return alternatives(parts);
}

/** EBNF of the decimal numbers within integer bounds, without exponents; undefined when there is none. */
export function numberRange({ min = -LARGEST, max = LARGEST, exclusiveMin = false, exclusiveMax = false }: Bounds): string | undefined {
  const parts: string[] = [];
  const positive = magnitudes(Math.max(min, 0), max, exclusiveMin && min >= 0, exclusiveMax);
  const negative = magnitudes(Math.max(-max, 0), -min, exclusiveMax && max <= 0, exclusiveMin);
  if (positive) parts.push(positive);
  if (negative) parts.push(`"-" ${negative}`);
  return parts.length > 0 ? alternatives(parts) : undefined;
}

/** Decimals from `low` to `high`, not below 0. */
function magnitudes(low: number, high: number, withoutLow: boolean, withoutHigh: boolean): string | undefined {
  if (high < low || high < 0 || (high === low && (withoutLow || withoutHigh))) return undefined;
  const parts: string[] = [];
  const first = withoutLow ? low + 1 : low;
  if (withoutLow && low < high) parts.push(`"${low}" "." [0-9]{0,5} [1-9]`);
  if (first < high) parts.push(`${naturals(first, high - 1)} ("." [0-9]{1,6})?`);
  if (!withoutHigh) parts.push(`"${high}" (".0")?`);
  return parts.length > 0 ? alternatives(parts) : undefined;
}

/** The integers from `low` to `high`, not below 0. */
function naturals(low: number, high: number): string {
  const parts: string[] = [];
  for (let digits = String(low).length; digits <= String(high).length; digits++) {
    const from = Math.max(low, digits === 1 ? 0 : 10 ** (digits - 1));
    const to = Math.min(high, 10 ** digits - 1);
    parts.push(...sameLength(String(from), String(to)));
  }
  return alternatives(parts);
}

/** The digit strings from `low` to `high`, which are of one length, in order. */
function sameLength(low: string, high: string): string[] {
  if (low === "") return [""];
  const digits = low.length - 1;
  const [first, last] = [Number(low[0]), Number(high[0])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  const under = (digit: number, from: string, to: string) => sameLength(from, to).map((rest) => `"${digit}" ${rest}`.trimEnd());
  if (first === last) return under(first, lowRest, highRest);
  const wholeFirst = /^0*$/.test(lowRest);
  const wholeLast = /^9*$/.test(highRest);
  const [from, to] = [wholeFirst ? first : first + 1, wholeLast ? last : last - 1];
  const parts: string[] = [];
  if (!wholeFirst) parts.push(...under(first, lowRest, "9".repeat(digits)));
  if (from <= to) parts.push(`[${from}-${to}]${digits > 0 ? ` [0-9]{${digits}}` : ""}`);
  if (!wholeLast) parts.push(...under(last, "0".repeat(digits), highRest));
  return parts;
}
