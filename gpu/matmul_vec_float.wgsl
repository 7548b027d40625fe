// As matmul_vec, for weights that are floats: x stays f32. Eight weights at a time.
fn x_octet(row: u32, octet: u32) -> Octet {
  let k = row * K + 8u * octet;
  let end = (row + 1u) * K;
  return Octet(x_quad(k, end), x_quad(k + 4u, end));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  weight_init(lid);
  let job = job_of(group.y);
  x_prepare(x_row(job.first), lid);
  let n0 = ((group.x + group.z * groups.x) * (WORKGROUP / LANES) + lid / LANES) * ROWS;
  var sums: array<array<f32, TOKENS>, ROWS>;
  if (n0 < N && job.count > 0u) {
    for (var o = lid % LANES; o < (K + 7u) / 8u; o += LANES) {
      var xs: array<Octet, TOKENS>;
      for (var t = 0u; t < TOKENS; t++) {
        xs[t] = x_octet(x_row(job.first + min(t, job.count - 1u)), o);
      }
      for (var r = 0u; r < ROWS; r++) {
        let w = weight_octet((job.weight_row + min(n0 + r, N - 1u)) * UNITS * 4u + o);
        for (var t = 0u; t < TOKENS; t++) {
          sums[r][t] += dot(w.a, xs[t].a) + dot(w.b, xs[t].b);
        }
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    for (var t = 0u; t < TOKENS; t++) {
      let sum = lanes_sum(sums[r][t], lid);
      if (lid % LANES == 0u && n0 + r < N && t < job.count) {
        finish(job.first + t, n0 + r, sum);
      }
    }
  }
}
