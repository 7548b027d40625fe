// Activations as int8, with a scale and two sums for each unit of 32 (matmul_q8_*.wgsl has them), and their products with weights.
struct Activation {
  a: vec4<u32>,
  b: vec4<u32>,
  scale: f32,
  sums: vec2<i32>,
}

fn activation_of(a: vec4<u32>, b: vec4<u32>, scale_sums: vec2<u32>) -> Activation {
  let sums = bitcast<i32>(scale_sums.y);
  return Activation(a, b, bitcast<f32>(scale_sums.x), vec2(extractBits(sums, 0u, 16u), extractBits(sums, 16u, 16u)));
}

// Σ over a unit of weight · activation. Integers until the scales come in: ZERO's share of the sum is taken off exactly.
fn unit_dot(w: Codes, scale: vec4<f32>, x: Activation) -> f32 {
  let zero = i32(ZERO);
  let a = dot16(w.a, x.a) - zero * x.sums.x;
  let b = dot16(w.b, x.b) - zero * x.sums.y;
  var sum: f32;
  if (HALVES == 1u) {
    sum = scale.x * f32(a) + scale.y * f32(b);
  } else {
    sum = scale.x * f32(a + b);
  }
  if (OFFSET == 1u) {
    if (HALVES == 1u) {
      sum += scale.z * f32(x.sums.x) + scale.w * f32(x.sums.y);
    } else {
      sum += scale.z * f32(x.sums.x + x.sums.y);
    }
  }
  return sum * x.scale;
}
