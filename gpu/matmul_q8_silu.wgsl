// The made row in int8, rounded as quantize_unit.wgsl does.
var<workgroup> x_codes: array<u32, X_QUADS>; // [8, UNITS]: lanes that read units in a row hit different banks
var<workgroup> x_meta: array<vec2<u32>, UNITS>; // f32 scale, then the int16 sums of either half
var<workgroup> quad_largest: array<f32, X_QUADS>;
var<workgroup> quad_sums: array<i32, X_QUADS>;
var<workgroup> unit_largest: array<f32, UNITS>;

fn block_largest(u: u32) -> f32 {
  var largest = 0.0;
  for (var i = 0u; i < BLOCK_UNITS; i++) { largest = max(largest, unit_largest[u / BLOCK_UNITS * BLOCK_UNITS + i]); }
  return largest;
}

fn half_sum(quad: u32) -> u32 {
  return bitcast<u32>(quad_sums[quad] + quad_sums[quad + 1u] + quad_sums[quad + 2u] + quad_sums[quad + 3u]) & 0xffffu;
}

fn x_prepare(row: u32, lid: u32) {
  x_silu(row, lid);
  for (var i = lid; i < X_QUADS; i += WORKGROUP) {
    let v = abs(x_made[i]);
    quad_largest[i] = max(max(v.x, v.y), max(v.z, v.w));
  }
  workgroupBarrier();
  for (var u = lid; u < UNITS; u += WORKGROUP) {
    var largest = 0.0;
    for (var i = 0u; i < 8u; i++) { largest = max(largest, quad_largest[8u * u + i]); }
    unit_largest[u] = largest;
  }
  workgroupBarrier();
  for (var i = lid; i < X_QUADS; i += WORKGROUP) {
    var sum = 0;
    x_codes[i % 8u * UNITS + i / 8u] = quantize_quad(x_made[i], quantize_inverse(block_largest(i / 8u)), &sum);
    quad_sums[i] = sum;
  }
  workgroupBarrier();
  for (var u = lid; u < UNITS; u += WORKGROUP) {
    x_meta[u] = vec2(bitcast<u32>(block_largest(u) / 127.0), half_sum(8u * u) | (half_sum(8u * u + 4u) << 16u));
  }
  workgroupBarrier();
}

fn x_word(u: u32, j: u32) -> u32 {
  return x_codes[j * UNITS + u];
}

fn activation(row: u32, u: u32) -> Activation {
  let a = vec4(x_word(u, 0u), x_word(u, 1u), x_word(u, 2u), x_word(u, 3u));
  let b = vec4(x_word(u, 4u), x_word(u, 5u), x_word(u, 6u), x_word(u, 7u));
  return activation_of(a, b, x_meta[u]);
}
