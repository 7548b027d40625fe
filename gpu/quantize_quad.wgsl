// Four values in int8.

/// What brings values of a block whose largest magnitude is known to -127 ... 127.
fn quantize_inverse(largest: f32) -> f32 {
  return select(0.0, 127.0 / largest, largest > 1e-30); // below, the inverse could overflow: such a block is zero
}

fn quantize_quad(v: vec4f, inverse: f32, sum: ptr<function, i32>) -> u32 {
  let q = vec4i(round(v * inverse)); // halves to even
  *sum += q.x + q.y + q.z + q.w;
  let b = bitcast<vec4u>(q) & vec4u(255);
  return b.x | (b.y << 8) | (b.z << 16) | (b.w << 24);
}
