// int8[T, K] (quantize_unit.wgsl) -> f16 of the same values, each row divided by 128 times its largest scale: nothing overflows, and
// where the scales of a row are equal its codes stay exact. A workgroup a row.
@group(0) @binding(0) var<storage, read> xq: array<u32>; // int8[T, units, 32]
@group(0) @binding(1) var<storage, read> x_meta: array<vec2u>; // [T, units]: f32 scale, sums
@group(0) @binding(2) var<storage, read_write> xh: array<u32>; // f16[T, units, 32]
@group(0) @binding(3) var<storage, read_write> x_scales: array<f32>; // [T]

var<workgroup> tops: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let row = min(folded(wg, count), arrayLength(&x_scales) - 1); // surplus workgroups repeat the last row
  var mine = 0.0;
  for (var u = lid; u < UNITS; u += WG) { mine = max(mine, bitcast<f32>(x_meta[row * UNITS + u].x)); }
  tops[lid] = mine;
  workgroupBarrier();
  for (var s = WG / 2; s > 0; s >>= 1) {
    if (lid < s) { tops[lid] = max(tops[lid], tops[lid + s]); }
    workgroupBarrier();
  }
  let m = 128.0 * tops[0];
  let inverse = select(0.0, 1.0 / m, m > 1e-30); // below, it could overflow, and all codes are zero
  if (lid == 0) { x_scales[row] = m; }
  for (var w = lid; w < UNITS * 16; w += WG) {
    let scale = bitcast<f32>(x_meta[row * UNITS + w / 16].x) * inverse;
    let codes = bitcast<i32>(xq[row * UNITS * 8 + w / 2]) >> (16 * (w % 2));
    xh[row * UNITS * 16 + w] = pack2x16float(vec2f(vec2i(extractBits(codes, 0, 8), extractBits(codes, 8, 8))) * scale);
  }
}
