// Q5_K as in GGUF: superblocks of 256 weights in 176 bytes:
// f16 d, f16 dmin, 8 scales and 8 minima of 6 bits in 12 bytes, 32 bytes of fifth bits, 128 bytes of nibbles.
const BLOCK_BYTES: u32 = 176u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  let block = (unit >> 3u) * BLOCK_BYTES;
  let s = unit & 7u;
  let low = (raw_byte(block + 48u + 32u * (s >> 1u) + i) >> (4u * (s & 1u))) & 15u;
  return low | (((raw_byte(block + 16u + i) >> s) & 1u) << 4u);
}

// Scale j of eight in the low byte, minimum in the high one: six bits each in 12 bytes, the last four borrow the top bits of the first eight.
fn sub_scale(scales: u32, j: u32) -> u32 {
  if (j < 4u) {
    return (raw_byte(scales + j) & 63u) | ((raw_byte(scales + j + 4u) & 63u) << 8u);
  }
  let both = raw_byte(scales + j + 4u);
  let scale = (both & 15u) | ((raw_byte(scales + j - 4u) >> 6u) << 4u);
  return scale | (((both >> 4u) | ((raw_byte(scales + j) >> 6u) << 4u)) << 8u);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  let block = (w / 5u) * BLOCK_BYTES;
  if (w % 5u == 0u) {
    return raw_word(block);
  }
  let j = 2u * (w % 5u - 1u);
  return sub_scale(block + 4u, j) | (sub_scale(block + 4u, j + 1u) << 16u);
}
