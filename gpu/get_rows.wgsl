// out[r] = w[ids[r]], w in any packed weight format: an invocation four elements.
@group(0) @binding(3) var<storage, read> ids: array<i32>; // [R]
@group(0) @binding(5) var<storage, read_write> out: array<f32>; // [R, D]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  weight_init(lid);
  let quads = (D + 3u) / 4u;
  let i = id.x + id.y * groups.x * WORKGROUP;
  let r = i / quads;
  let k = 4u * (i % quads);
  if (r < arrayLength(&ids)) {
    let row = min(u32(ids[r]), N - 1u) - FIRST_ROW;
    if (row < ROWS) { // else another dispatch holds it
      let four = unit_quad(weight_unit(row * UNITS + k / 32u), (k / 4u) % 8u);
      for (var c = 0u; c < min(4u, D - k); c++) {
        out[r * D + k + c] = four[c];
      }
    }
  }
}
