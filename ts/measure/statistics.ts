/** Of several measurements of one thing. */
export interface Statistics {
  readonly mean: number;
  /** Standard deviation of a sample (n - 1); 0 of a single value. */
  readonly deviation: number;
  /** Of an even number of values the mean of the middle two. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** `values` holds at least one. */
export function statistics(values: readonly number[]): Statistics {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / count;
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    mean,
    deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0,
    median: (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2,
    least: sorted[0]!,
    most: sorted[count - 1]!,
  };
}
