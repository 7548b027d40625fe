// The bytes of `row` as a KV cache keeps them: F32, F16, or Q8_0 (blocks of 32: one f16 scale, 32 int8), word by word.
const F32: u32 = 0;
const F16: u32 = 1;
const Q8_0: u32 = 8; // ggml's numbers
var<workgroup> block_scale: array<f32, (D + 31) / 32>;

/// Words of a row of D elements.
fn cache_words(kind: u32) -> u32 {
  if (kind == F32) { return D; }
  return select(D / 32 * 17 / 2, D / 2, kind == F16);
}

/// All invocations must call it before the first encode_word of a row, and after a barrier on `row`.
fn cache_prepare(kind: u32, lid: u32) {
  if (kind == Q8_0) {
    for (var block = lid; block < D / 32; block += WG) {
      var largest = 0.0;
      for (var i = 0u; i < 32; i++) { largest = max(largest, abs(row[block * 32 + i])); }
      block_scale[block] = largest / 127.0;
    }
  }
  workgroupBarrier();
}

/// f32 -> f16 bits, to nearest even: pack2x16float may round either way.
fn half_bits(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  let sign = (bits >> 16) & 0x8000;
  let magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) { return sign | 0x7c00 | select(0u, 0x200u, magnitude > 0x7f800000); } // from 2^16: infinity, or NaN
  if (magnitude >= 0x38800000) { // a normal half: 13 bits of the mantissa go
    let shifted = magnitude - 0x38000000;
    return sign | ((shifted + 0xfff + ((shifted >> 13) & 1)) >> 13);
  }
  if (magnitude < 0x33000000) { return sign; } // below half of the smallest subnormal
  let mantissa = (magnitude & 0x7fffff) | 0x800000;
  let shift = 126 - (magnitude >> 23); // 14 ... 24
  return sign | ((mantissa + (1u << (shift - 1)) - 1 + ((mantissa >> shift) & 1)) >> shift);
}

/// x · (1 / scale), rounded to nearest, halves away from zero, as the CPU does.
fn quant(i: u32) -> u32 {
  let scale = block_scale[i / 32];
  let v = row[i] * select(1.0 / scale, 0.0, scale == 0.0);
  return u32(i32(sign(v) * floor(abs(v) + 0.5))) & 0xff;
}

/// 16 bits of a row of Q8_0 blocks, 17 such halves a block.
fn q8_half(half: u32) -> u32 {
  let block = half / 17;
  let at = half % 17;
  if (at == 0) { return half_bits(block_scale[block]); }
  let i = block * 32 + (at - 1) * 2;
  return quant(i) | (quant(i + 1) << 8);
}

fn encode_word(kind: u32, word: u32) -> u32 {
  if (kind == F32) { return bitcast<u32>(row[word]); }
  if (kind == F16) { return half_bits(row[2 * word]) | (half_bits(row[2 * word + 1]) << 16); }
  return q8_half(2 * word) | (q8_half(2 * word + 1) << 16);
}
