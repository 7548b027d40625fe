// Queries alone; a workgroup a head.
@group(0) @binding(3) var<storage, read> rotation: array<f32>; // [T, 2, P]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  query(folded(wg, count), lid);
}
