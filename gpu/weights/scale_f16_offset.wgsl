// An f16 scale and an f16 offset a unit.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // f16[rows, units, 2]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  return unpack2x16float(scales[unit]).xxyy;
}
