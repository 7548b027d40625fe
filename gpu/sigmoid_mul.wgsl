// out[t, i] = x[t, i] · sigmoid(gate[t, i mod M]), M = 1 or F: the gate's index is i / SHARE with SHARE = F or 1.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, F]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, F]
@group(0) @binding(2) var<storage, read> gate: array<f32>; // [T, M]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i < arrayLength(&out)) { out[i] = x[i] * sigmoid(gate[i / SHARE]); }
}
