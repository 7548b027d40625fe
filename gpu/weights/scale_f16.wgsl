// One f16 scale a unit.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // f16[rows, units]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  let d = unpack2x16float(scales[unit >> 1u] >> (16u * (unit & 1u))).x;
  return vec4(d, d, 0.0, 0.0);
}
