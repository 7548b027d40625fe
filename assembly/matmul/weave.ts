// Transposes: rows of weights or tokens -> cells side by side, as the tiles read them.

/** Four rows of four 32-bit cells -> four columns: the cells at a, b, c, d become four stores `step` apart. */
// @ts-ignore: decorator
@inline
export function weave4(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to + step, v128.shuffle<i64>(ab, cd, 1, 3));
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to + 2 * step, v128.shuffle<i64>(ef, gh, 0, 2));
  v128.store(to + 3 * step, v128.shuffle<i64>(ef, gh, 1, 3));
}

/** `cells` 32-bit cells of four rows (`stride` apart) woven: cell k of row r to `to` + k · step + 4 r. */
export function weave(from: usize, stride: usize, cells: u32, to: usize, step: usize): void {
  let a = from, b = a + stride, c = b + stride, d = c + stride;
  for (const end = a + (<usize>(cells & ~3) << 2); a < end; a += 16, b += 16, c += 16, d += 16) {
    weave4(v128.load(a), v128.load(b), v128.load(c), v128.load(d), to, step);
    to += step << 2;
  }
  for (const end = a + (<usize>(cells & 3) << 2); a < end; a += 4, b += 4, c += 4, d += 4) {
    v128.store(to, i32x4(load<i32>(a), load<i32>(b), load<i32>(c), load<i32>(d)));
    to += step;
  }
}

/** So many bytes of the sums of four rows of activations, woven by pairs; returns the end of what it wrote. */
export function weaveSums(a: usize, b: usize, c: usize, d: usize, from: usize, bytes: usize, to: usize): usize {
  for (const end = from + bytes; from < end; from += 4, to += 16) {
    v128.store(to, i32x4(load<i32>(a + from), load<i32>(b + from), load<i32>(c + from), load<i32>(d + from)));
  }
  return to;
}
