// Dot products of int8 vectors, four a word, where WGSL lacks packed_4x8_integer_dot_product.
fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  let x = bitcast<vec4<i32>>(a);
  let y = bitcast<vec4<i32>>(b);
  var sum = vec4(0);
  for (var shift = 0u; shift < 32u; shift += 8u) {
    let up = vec4(24u - shift);
    sum += ((x << up) >> vec4(24u)) * ((y << up) >> vec4(24u));
  }
  return sum.x + sum.y + sum.z + sum.w;
}
