// The made row in f32.
fn x_prepare(row: u32, lid: u32) {
  x_silu(row, lid);
  workgroupBarrier();
}

// Elements k…k+3 of the row, k a multiple of 4; zeros behind its end.
fn x_quad(k: u32, end: u32) -> vec4<f32> {
  return select(vec4(0.0), x_made[(k % K) / 4u], k < end);
}
