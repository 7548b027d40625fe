// out = x; an invocation an element.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [N]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [N]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i < arrayLength(&out)) { out[i] = x[i]; }
}
