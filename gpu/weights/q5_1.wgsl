// Q5_1 as in GGUF: blocks of 32 weights in 24 bytes: f16 d, f16 m, 32 fifth bits, 16 bytes of nibbles.
const BLOCK_BYTES: u32 = 24u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  return raw_nibble(unit * BLOCK_BYTES + 8u, i) | (raw_bit(unit * BLOCK_BYTES + 4u, i) << 4u);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  return raw_word(w * BLOCK_BYTES);
}
