// Activations as int8 with a scale and two sums a unit of 32, an invocation a unit: for kernels that make them, and for quantize_q8.wgsl.
// As the CPU rounds them: BLOCK_UNITS units in a row share the scale, 1, or 8 for weights in blocks of 256.
@group(0) @binding(Q8_CODES) var<storage, read_write> xq: array<vec4u>; // int8[T, units, 32]
@group(0) @binding(Q8_META) var<storage, read_write> x_meta: array<vec2u>; // [T, units]: f32 scale, then the int16 sums of either half

var<workgroup> unit_largest: array<f32, WG>;

/// The largest magnitude of a unit's block. Invocations in a row hold units in a row, and WG is whole blocks. All must call it.
fn block_largest(v: array<vec4f, 8>, lid: u32) -> f32 {
  var quads = v; // indexed by a loop
  var top = vec4f();
  for (var i = 0u; i < 8; i++) { top = max(top, abs(quads[i])); }
  var largest = max(max(top.x, top.y), max(top.z, top.w));
  if (BLOCK_UNITS > 1) {
    unit_largest[lid] = largest;
    workgroupBarrier();
    for (var i = 0u; i < BLOCK_UNITS; i++) { largest = max(largest, unit_largest[lid / BLOCK_UNITS * BLOCK_UNITS + i]); }
    workgroupBarrier(); // before the next call writes
  }
  return largest;
}

/// 32 values to their unit's codes, scale and sums.
fn quantize_unit(unit: u32, v: array<vec4f, 8>, largest: f32) {
  var quads = v;
  let inverse = quantize_inverse(largest);
  var low = 0;
  var high = 0;
  var codes: array<u32, 8>;
  for (var i = 0u; i < 4; i++) {
    codes[i] = quantize_quad(quads[i], inverse, &low);
    codes[i + 4] = quantize_quad(quads[i + 4], inverse, &high);
  }
  xq[2 * unit] = vec4u(codes[0], codes[1], codes[2], codes[3]);
  xq[2 * unit + 1] = vec4u(codes[4], codes[5], codes[6], codes[7]);
  x_meta[unit] = vec2u(bitcast<u32>(largest / 127.0), (bitcast<u32>(low) & 0xffff) | (bitcast<u32>(high) << 16));
}
