// x + y: the residual stream and a layer's answer.
@group(0) @binding(3) var<storage, read> x: array<f32>; // [T, E]
@group(0) @binding(4) var<storage, read> y: array<f32>; // [T, E]

fn term(t: u32, e: u32) -> f32 {
  return x[t * E + e] + y[t * E + e];
}
