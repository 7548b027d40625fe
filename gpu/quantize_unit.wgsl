// Activations rounded to int8 by the kernel that makes them, in the form that quantize_q8.wgsl gives to those that come from elsewhere.
@group(0) @binding(Q8_CODES) var<storage, read_write> xq: array<vec4u>; // int8[T, units, 32]
@group(0) @binding(Q8_META) var<storage, read_write> x_meta: array<vec2u>; // [T, units]: f32 scale, then the int16 sums of either half

fn quantize_quad(v: vec4f, inverse: f32, sum: ptr<function, i32>) -> u32 {
  let q = vec4i(round(v * inverse));
  *sum += q.x + q.y + q.z + q.w;
  let b = bitcast<vec4u>(q) & vec4u(255);
  return b.x | (b.y << 8) | (b.z << 16) | (b.w << 24);
}

/// 32 values to their unit's codes, scale and sums.
fn quantize_unit(unit: u32, v: array<vec4f, 8>) {
  var quads = v; // indexed by a loop
  var top = vec4f();
  for (var i = 0u; i < 8; i++) { top = max(top, abs(quads[i])); }
  let m = max(max(top.x, top.y), max(top.z, top.w));
  let inverse = select(0.0, 127.0 / m, m > 1e-30); // below, the inverse could overflow: such a unit is zero
  var low = 0;
  var high = 0;
  var codes: array<u32, 8>;
  for (var i = 0u; i < 4; i++) {
    codes[i] = quantize_quad(quads[i], inverse, &low);
    codes[i + 4] = quantize_quad(quads[i + 4], inverse, &high);
  }
  xq[2 * unit] = vec4u(codes[0], codes[1], codes[2], codes[3]);
  xq[2 * unit + 1] = vec4u(codes[4], codes[5], codes[6], codes[7]);
  x_meta[unit] = vec2u(bitcast<u32>(m / 127.0), (bitcast<u32>(low) & 0xffff) | (bitcast<u32>(high) << 16));
}
