// out = rope(rms_norm(x) · norm); a workgroup a head.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, H, D]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, H, D]
@group(0) @binding(2) var<storage, read> norm: array<f32>; // [D]
@group(0) @binding(3) var<storage, read> rotation: array<f32>; // [T, 2, P]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let head = folded(wg, count);
  if (head >= arrayLength(&x) / D) { return; }
  var squares = 0.0;
  for (var i = lid; i < D; i += WG) {
    let v = x[head * D + i];
    row[i] = v;
    squares += v * v;
  }
  norm_rope(head / H, squares, lid);
  for (var i = lid; i < D; i += WG) { out[head * D + i] = row[i]; }
}
