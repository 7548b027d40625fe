// Sub-group matrices of 32 lanes in plain WGSL, for tests: an operand is its place in workgroup memory, a lane holds 8 of 256 sums.
struct Left { at: u32 }
struct Right { at: u32 }
struct Sum { e: array<f32, 8> }

fn multiply(x: Left, w: Right, sum: Sum, lid: u32) -> Sum {
  var next = sum;
  for (var i = 0u; i < 8u; i++) {
    let at = lid % 32u + 32u * i; // [m, n]
    for (var k = 0u; k < 4u; k++) {
      next.e[i] += dot(x_tile[x.at + (at / 16u) * STRIDE + k], w_tile[w.at + (at % 16u) * STRIDE + k]);
    }
  }
  return next;
}

fn put_sum(at: u32, sum: Sum, lid: u32) {
  var own = sum;
  for (var i = 0u; i < 8u; i++) {
    results[at + lid % 32u + 32u * i] = own.e[i];
  }
}

fn halves(words: vec2<u32>) -> vec4<f32> {
  return vec4(unpack2x16float(words.x), unpack2x16float(words.y));
}
