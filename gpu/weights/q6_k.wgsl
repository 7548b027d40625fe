// Q6_K as in GGUF: superblocks of 256 weights in 210 bytes:
// 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 int8 scales, f16 d.
const BLOCK_BYTES: u32 = 210u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  let block = (unit >> 3u) * BLOCK_BYTES;
  let s = unit & 7u;
  let half = s >> 2u; // of 128 weights: low nibbles hold its units 0 and 1, high ones 2 and 3
  let low = (raw_byte(block + 64u * half + 32u * (s & 1u) + i) >> (4u * ((s >> 1u) & 1u))) & 15u;
  return low | (raw_pair(block + 128u, s, i) << 4u);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  let block = (w / 5u) * BLOCK_BYTES;
  if (w % 5u == 0u) {
    return raw_half(block + 208u);
  }
  let pair = 4u * (w % 5u - 1u);
  return raw_word(block + 192u + pair);
}
