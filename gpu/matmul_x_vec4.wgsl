// Activations in f32, rows of whole fours.
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>; // [T, K / 4]

// Elements k…k+3, k a multiple of 4, of a row that ends before `end`; zeros behind it.
fn x_quad(k: u32, end: u32) -> vec4<f32> {
  return select(vec4(0.0), x[k >> 2u], k < end);
}

// Nothing to make.
fn x_prepare(row: u32, lid: u32) {}
