// IQ4_NL as in GGUF: blocks of 32 weights in 18 bytes: f16 d, 16 bytes of nibbles.
const BLOCK_BYTES: u32 = 18u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  return raw_nibble(unit * BLOCK_BYTES + 2u, i);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  return raw_half(2u * w * BLOCK_BYTES) | (raw_half((2u * w + 1u) * BLOCK_BYTES) << 16u);
}
