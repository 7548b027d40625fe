// Four consecutive elements of a KV cache row, from its bytes: F32, F16, or Q8_0 (34 bytes a block, so blocks start at halves of words).
const F32: u32 = 0;
const F16: u32 = 1;
const Q8_0: u32 = 8; // ggml's numbers

/// Index of the first word that holds quad `quad` of row `cell`.
fn quad_word(kind: u32, cell: u32, quad: u32) -> u32 {
  if (kind == F32) { return (cell * (D / 4) + quad) * 4; }
  if (kind == F16) { return (cell * (D / 4) + quad) * 2; }
  return (q8_block(cell, quad) * 17 + 1 + quad % 8 * 2) / 2;
}
/// Number of the block that holds it.
fn q8_block(cell: u32, quad: u32) -> u32 {
  return cell * (D / 32) + quad / 8;
}
/// The scale of a block, from the word that holds it: blocks of odd number start at a word's upper half.
fn q8_scale(block: u32, word: u32) -> f32 {
  let halves = unpack2x16float(word);
  return select(halves.x, halves.y, block % 2 == 1);
}
/// Four int8: the upper half of one word and the lower of the next, or one whole word (odd blocks).
fn q8_quad(block: u32, low: u32, high: u32) -> vec4f {
  return vec4f(unpack4xI8(select((low >> 16) | (high << 16), low, block % 2 == 1)));
}

fn k_quad(cell: u32, quad: u32) -> vec4f {
  let w = quad_word(K_TYPE, cell, quad);
  if (K_TYPE == F32) { return bitcast<vec4f>(vec4u(k_cache[w], k_cache[w + 1], k_cache[w + 2], k_cache[w + 3])); }
  if (K_TYPE == F16) { return vec4f(unpack2x16float(k_cache[w]), unpack2x16float(k_cache[w + 1])); }
  let block = q8_block(cell, quad);
  return q8_scale(block, k_cache[block * 17 / 2]) * q8_quad(block, k_cache[w], k_cache[w + 1]);
}

fn v_quad(cell: u32, quad: u32) -> vec4f {
  let w = quad_word(V_TYPE, cell, quad);
  if (V_TYPE == F32) { return bitcast<vec4f>(vec4u(v_cache[w], v_cache[w + 1], v_cache[w + 2], v_cache[w + 3])); }
  if (V_TYPE == F16) { return vec4f(unpack2x16float(v_cache[w]), unpack2x16float(v_cache[w + 1])); }
  let block = q8_block(cell, quad);
  return q8_scale(block, v_cache[block * 17 / 2]) * q8_quad(block, v_cache[w], v_cache[w + 1]);
}
