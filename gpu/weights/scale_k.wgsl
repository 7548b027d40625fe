// Superblocks of 8 units: an f16 scale d (a word), then an int8 scale a unit.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // [rows, units / 8, 3]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  let block = 3u * (unit >> 3u);
  let s = extractBits(bitcast<i32>(scales[block + 1u + ((unit >> 2u) & 1u)]), 8u * (unit & 3u), 8u);
  let d = unpack2x16float(scales[block]).x * f32(s);
  return vec4(d, d, 0.0, 0.0);
}
