// out[t, i] = x[t, i] / sqrt(mean_i(x[t, i]²) + EPS) · weight[i]; a workgroup a row.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, D]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, D]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [D]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let t = folded(wg, count);
  if (t >= arrayLength(&x) / D) { return; }
  var squares = 0.0;
  for (var i = lid; i < D; i += WG) { squares += x[t * D + i] * x[t * D + i]; }
  let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(D) + EPS);
  for (var i = lid; i < D; i += WG) { out[t * D + i] = x[t * D + i] * scale * weight[i]; }
  row_done(t * D, D, lid);
}
