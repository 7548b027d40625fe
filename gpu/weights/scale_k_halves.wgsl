// Superblocks of 8 units: an f16 scale d (a word), then two int8 scales a unit, one for each 16 weights.
@group(0) @binding(2) var<storage, read> scales: array<u32>; // [rows, units / 8, 5]

// Scales of the two halves of a unit, then their offsets.
fn weight_scale(unit: u32) -> vec4<f32> {
  let block = 5u * (unit >> 3u);
  let pair = bitcast<i32>(scales[block + 1u + ((unit >> 1u) & 3u)]);
  let shift = 16u * (unit & 1u);
  let s = vec2(f32(extractBits(pair, shift, 8u)), f32(extractBits(pair, shift + 8u, 8u)));
  return vec4(unpack2x16float(scales[block]).x * s, 0.0, 0.0);
}
