// out[t, e] = Σ_u weights[t, u] · x[t, u, e]; an invocation an element.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, E]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, U, E]
@group(0) @binding(2) var<storage, read> weights: array<f32>; // [T, U]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i >= arrayLength(&out)) { return; }
  let t = i / E;
  var sum = 0.0;
  for (var u = 0u; u < U; u++) { sum += weights[t * U + u] * x[(t * U + u) * E + i % E]; }
  out[i] = sum;
}
