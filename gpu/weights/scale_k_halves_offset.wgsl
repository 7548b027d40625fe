// Superblocks of 8 units: f16 d and dmin (a word), then a byte for each 16 weights, scale in the low nibble, minimum in the high one.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // [rows, units / 8, 5]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  let block = 5u * (unit >> 3u);
  let pair = scales[block + 1u + ((unit >> 1u) & 3u)] >> (16u * (unit & 1u));
  let nibbles = vec4<f32>((vec4(pair) >> vec4(0u, 8u, 4u, 12u)) & vec4(15u));
  let d = unpack2x16float(scales[block]);
  return nibbles * vec4(d.x, d.x, -d.y, -d.y);
}
