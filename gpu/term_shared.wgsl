// x + Σ_u mix[u] · down[u] + sigmoid(gate) · shared: the residual stream, the mixture of experts and the shared expert under its gate.
@group(0) @binding(3) var<storage, read> x: array<f32>; // [T, E]
@group(0) @binding(4) var<storage, read> down: array<f32>; // [T, U, E]
@group(0) @binding(5) var<storage, read> mix: array<f32>; // [T, U]
@group(0) @binding(6) var<storage, read> shared_out: array<f32>; // [T, E]
@group(0) @binding(7) var<storage, read> gate: array<f32>; // [T, 1]

fn term(t: u32, e: u32) -> f32 {
  var routed = 0.0;
  for (var u = 0u; u < U; u++) { routed += mix[t * U + u] * down[(t * U + u) * E + e]; }
  return x[t * E + e] + (routed + shared_out[t * E + e] * sigmoid(gate[t]));
}
