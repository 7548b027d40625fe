// x + Σ_u mix[u] · down[u]: the residual stream and the mixture of experts.
@group(0) @binding(3) var<storage, read> x: array<f32>; // [T, E]
@group(0) @binding(4) var<storage, read> down: array<f32>; // [T, U, E]
@group(0) @binding(5) var<storage, read> mix: array<f32>; // [T, U]

fn term(t: u32, e: u32) -> f32 {
  var routed = 0.0;
  for (var u = 0u; u < U; u++) { routed += mix[t * U + u] * down[(t * U + u) * E + e]; }
  return x[t * E + e] + routed;
}
