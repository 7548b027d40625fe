// NEOX pairing (i, i + P) on the first 2P of D elements of each head, the rest passes through; an invocation an element.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, H, D]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, H, D]
@group(0) @binding(2) var<storage, read> rotation: array<f32>; // [T, 2, P]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i >= arrayLength(&out)) { return; }
  let d = i % D;
  var v = x[i];
  if (d < 2 * P) {
    let angle = i / (H * D) * 2 * P + d % P;
    let cosine = rotation[angle];
    let sine = rotation[angle + P];
    if (d < P) { v = v * cosine - x[i + P] * sine; } else { v = x[i - P] * sine + v * cosine; }
  }
  out[i] = v;
}
