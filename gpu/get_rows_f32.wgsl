// out[r] = w[ids[r]], w f32 as it is: rows of a value.
@group(0) @binding(0) var<storage, read> w: array<f32>; // [N, D]
@group(0) @binding(1) var<storage, read> ids: array<i32>; // [R]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // [R, D]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.x + id.y * groups.x * WORKGROUP;
  if (i < arrayLength(&out)) {
    out[i] = w[u32(ids[i / D]) * D + i % D];
  }
}
