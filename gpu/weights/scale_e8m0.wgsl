// One power of two a unit, 2^(e - 128): the levels are doubled.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // u8[rows, units]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  let e = (scales[unit >> 2u] >> (8u * (unit & 3u))) & 255u;
  // Below 2^-126 a float is subnormal, which GPUs may flush: so do we, no model has such blocks.
  let d = bitcast<f32>((max(e, 1u) - 1u) << 23u);
  return vec4(d, d, 0.0, 0.0);
}
