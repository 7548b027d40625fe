// Activations in f32, rows of any length.
@group(0) @binding(3) var<storage, read> x: array<f32>; // [T, K]

// Elements k…k+3 of a row that ends before `end`; zeros behind it.
fn x_quad(k: u32, end: u32) -> vec4<f32> {
  return select(vec4(0.0), vec4(x[k], x[k + 1u], x[k + 2u], x[k + 3u]), vec4(k, k + 1u, k + 2u, k + 3u) < vec4(end));
}

// Nothing to make.
fn x_prepare(row: u32, lid: u32) {}
