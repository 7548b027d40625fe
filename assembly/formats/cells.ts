// What Q4_K and Q6_K share on the way from blocks of four rows to a cell; see matmul/few_cells.ts and few_words.ts.

/** Four scales of four rows, i16, where even holds each row's 0 and 2 and odd its 1 and 3, -> i16[4][2], `step` bytes from one to the next. */
// @ts-ignore: decorator
@inline
export function putScales(to: usize, even: v128, odd: v128, step: usize): void {
  v128.store(to, v128.shuffle<i16>(even, even, 0, 0, 2, 2, 4, 4, 6, 6));
  v128.store(to + step, v128.shuffle<i16>(odd, odd, 0, 0, 2, 2, 4, 4, 6, 6));
  v128.store(to + 2 * step, v128.shuffle<i16>(even, even, 1, 1, 3, 3, 5, 5, 7, 7));
  v128.store(to + 3 * step, v128.shuffle<i16>(odd, odd, 1, 1, 3, 3, 5, 5, 7, 7));
}

// Bytes of a cell of words up to each part, as matmul/few_words.ts describes it; codes begin with a line of the cache.
// @ts-ignore: decorator
@inline
export const WORDS_DMIN: usize = 16;
// @ts-ignore: decorator
@inline
export const WORDS_MINS: usize = 32;
// @ts-ignore: decorator
@inline
export const WORDS_SCALES: usize = 96;
// @ts-ignore: decorator
@inline
export const WORDS_CODES: usize = 384;
// @ts-ignore: decorator
@inline
export const WORDS_BYTES: usize = WORDS_CODES + 2048;
