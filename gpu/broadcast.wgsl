// out = combine(x, y) elementwise; y repeats over any axis where its extent divides x's. `combine` is in add, sub or mul.wgsl.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [N0, N1, N2, N3]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N0, N1, N2, N3]
@group(0) @binding(2) var<storage, read> y: array<f32>; // [M0, M1, M2, M3]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i >= arrayLength(&out)) { return; }
  let a = i / (N1 * N2 * N3);
  let b = i / (N2 * N3) % N1;
  let c = i / N3 % N2;
  let d = i % N3;
  out[i] = combine(x[i], y[((a % M0 * M1 + b % M1) * M2 + c % M2) * M3 + d % M3]);
}
