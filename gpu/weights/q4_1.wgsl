// Q4_1 as in GGUF: blocks of 32 weights in 20 bytes: f16 d, f16 m, 16 bytes of nibbles.
const BLOCK_BYTES: u32 = 20u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  return raw_nibble(unit * BLOCK_BYTES + 4u, i);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  return raw_word(w * BLOCK_BYTES);
}
