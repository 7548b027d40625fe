// Q2_K as in GGUF: superblocks of 256 weights in 84 bytes:
// 16 scales (low nibble) and minima (high), 64 bytes of bit pairs, f16 d, f16 dmin.
const BLOCK_BYTES: u32 = 84u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  let block = (unit >> 3u) * BLOCK_BYTES;
  let s = unit & 7u;
  return raw_pair(block + 16u, s, i);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  let block = (w / 5u) * BLOCK_BYTES;
  if (w % 5u == 0u) {
    return raw_word(block + 80u);
  }
  let pair = 4u * (w % 5u - 1u);
  return raw_word(block + pair);
}
