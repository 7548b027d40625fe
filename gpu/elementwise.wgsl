// out = combine(x, y), the shapes being alike. `combine` is in add, sub or mul.wgsl.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [N]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N]
@group(0) @binding(2) var<storage, read> y: array<f32>; // [N]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i < arrayLength(&out)) { out[i] = combine(x[i], y[i]); }
}
