// Superblocks of 8 units: f16 d and dmin (a word), then a scale and a minimum a unit, a byte each: w = d · scale · code - dmin · min.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // [rows, units / 8, 5]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  let block = 5u * (unit >> 3u);
  let pair = scales[block + 1u + ((unit >> 1u) & 3u)] >> (16u * (unit & 1u));
  let d = unpack2x16float(scales[block]) * vec2(f32(pair & 255u), -f32((pair >> 8u) & 255u));
  return d.xxyy;
}
