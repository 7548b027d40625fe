// MXFP4 as in GGUF: blocks of 32 weights in 17 bytes: exponent e, 16 bytes of nibbles.
const BLOCK_BYTES: u32 = 17u;

// Code i of a unit.
fn raw_code(unit: u32, i: u32) -> u32 {
  return raw_nibble(unit * BLOCK_BYTES + 1u, i);
}

// Word w of the packed scales.
fn raw_scales(w: u32) -> u32 {
  let block = 4u * w * BLOCK_BYTES;
  let second = block + BLOCK_BYTES;
  let third = second + BLOCK_BYTES;
  return raw_byte(block) | (raw_byte(second) << 8u) | (raw_byte(third) << 16u) | (raw_byte(third + BLOCK_BYTES) << 24u);
}
