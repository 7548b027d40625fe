// x f32[T, K] -> f16, each row divided by its largest magnitude: no activation overflows, small ones keep their bits. A workgroup a row.
@group(0) @binding(0) var<storage, read> x: array<f32>; // [T, K]
@group(0) @binding(1) var<storage, read_write> xh: array<u32>; // f16[T, units, 32], zeros behind K
@group(0) @binding(2) var<storage, read_write> x_scales: array<f32>; // [T]

var<workgroup> largest: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let row = min(group.x + group.y * groups.x, arrayLength(&x_scales) - 1u); // surplus workgroups repeat the last row
  var mine = 0.0;
  for (var k = lid; k < K; k += WORKGROUP) {
    mine = max(mine, abs(x[row * K + k]));
  }
  largest[lid] = mine;
  workgroupBarrier();
  for (var s = WORKGROUP / 2u; s > 0u; s >>= 1u) {
    if (lid < s) {
      largest[lid] = max(largest[lid], largest[lid + s]);
    }
    workgroupBarrier();
  }
  let m = largest[0];
  // Below 1e-30 the inverse could overflow: such a row is zero.
  let inverse = select(0.0, 1.0 / m, m > 1e-30);
  if (lid == 0u) {
    x_scales[row] = m;
  }
  for (var w = lid; w < UNITS * 16u; w += WORKGROUP) {
    let k = 2u * w;
    let pair = vec2(x[row * K + k], x[row * K + k + 1u]) * inverse;
    xh[row * UNITS * 16u + w] = pack2x16float(select(vec2(0.0), pair, vec2(k, k + 1u) < vec2(K)));
  }
}
