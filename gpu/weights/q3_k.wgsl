// Q3_K as in GGUF: superblocks of 256 weights in 110 bytes:
// 32 bytes of third bits, 64 bytes of bit pairs, 16 scales of 6 bits in 12 bytes, f16 d.
const BLOCK_BYTES: u32 = 110u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  let block = (unit >> 3u) * BLOCK_BYTES;
  let s = unit & 7u;
  return raw_pair(block + 32u, s, i) | (((raw_byte(block + i) >> s) & 1u) << 2u);
}

// Scale j of sixteen, less 32, as a byte.
fn sub_scale(block: u32, j: u32) -> u32 {
  let low = select(raw_byte(block + 88u + j) >> 4u, raw_byte(block + 96u + j) & 15u, j < 8u);
  let high = (raw_byte(block + 104u + (j & 3u)) >> (2u * (j >> 2u))) & 3u;
  return ((low | (high << 4u)) - 32u) & 255u;
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  let block = (w / 5u) * BLOCK_BYTES;
  if (w % 5u == 0u) {
    return raw_half(block + 108u);
  }
  let pair = 4u * (w % 5u - 1u);
  return sub_scale(block, pair) | (sub_scale(block, pair + 1u) << 8u) | (sub_scale(block, pair + 2u) << 16u) | (sub_scale(block, pair + 3u) << 24u);
}
