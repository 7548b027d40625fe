// IQ4_XS as in GGUF: superblocks of 256 weights in 136 bytes:
// f16 d, 8 times 2 upper bits of the scales, 8 times 4 lower bits, 128 bytes of nibbles, 16 for each unit.
const BLOCK_BYTES: u32 = 136u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  let block = (unit >> 3u) * BLOCK_BYTES;
  let s = unit & 7u;
  return raw_nibble(block + 8u + 16u * s, i);
}

// Scale j of eight, less 32, as a byte.
fn sub_scale(block: u32, j: u32) -> u32 {
  let low = (raw_byte(block + 4u + (j >> 1u)) >> (4u * (j & 1u))) & 15u;
  let high = (raw_half(block + 2u) >> (2u * j)) & 3u;
  return ((low | (high << 4u)) - 32u) & 255u;
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  let block = (w / 3u) * BLOCK_BYTES;
  if (w % 3u == 0u) {
    return raw_half(block);
  }
  let pair = 4u * (w % 3u - 1u);
  return sub_scale(block, pair) | (sub_scale(block, pair + 1u) << 8u) | (sub_scale(block, pair + 2u) << 16u) | (sub_scale(block, pair + 3u) << 24u);
}
