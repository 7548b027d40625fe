// A residual step and its norm for one token, and the small matmul that reads it. Workgroup 0 makes the row for all that come later; each
// other takes 4 rows of w and makes the norm for itself: reading x once more is cheaper than a dispatch that waits for it.
@group(0) @binding(PRODUCT) var<storage, read_write> product: array<f32>; // [1, N]
@group(0) @binding(PRODUCT_W) var<storage, read> w: array<f32>; // [N, W_STRIDE]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let job = folded(wg, count);
  if (job == 0) {
    norm_row(0, lid);
    return;
  }
  let n0 = (job - 1) * 4;
  var squares = 0.0;
  var sums = vec4f();
  for (var e = lid; e < E; e += WG) {
    let v = term(0, e);
    squares += v * v;
    let row = vec4u(n0, n0 + 1, n0 + 2, n0 + 3);
    let at = min(row, vec4u(N - 1)) * W_STRIDE + e;
    sums += v * weight[e] * vec4f(w[at.x], w[at.y], w[at.z], w[at.w]);
  }
  let scale = inverseSqrt(lanes_sum(squares, lid) / f32(E) + EPS); // good in invocation 0
  for (var i = 0u; i < 4; i++) {
    let value = lanes_sum(sums[i], lid);
    if (lid == 0 && n0 + i < N) { product[n0 + i] = value * scale; }
  }
}
