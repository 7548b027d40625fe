// out[t, n] = Σ_k x[t, k] · w[n, k] for few tokens: bound by reading w once. LANES invocations share ROWS rows of w, and
// hold TOKENS rows of x in registers.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  weight_init(lid);
  let job = job_of(group.y);
  x_prepare(x_row(job.first), lid);
  let n0 = ((group.x + group.z * groups.x) * (WORKGROUP / LANES) + lid / LANES) * ROWS;
  var sums: array<array<f32, TOKENS>, ROWS>;
  if (n0 < N && job.count > 0u) {
    for (var u = lid % LANES; u < UNITS; u += LANES) {
      var xs: array<Activation, TOKENS>;
      for (var t = 0u; t < TOKENS; t++) {
        xs[t] = activation(x_row(job.first + min(t, job.count - 1u)), u);
      }
      for (var r = 0u; r < ROWS; r++) {
        let unit = (job.weight_row + min(n0 + r, N - 1u)) * UNITS + u;
        let codes = weight_codes(unit);
        let scale = weight_scale(unit);
        for (var t = 0u; t < TOKENS; t++) {
          sums[r][t] += unit_dot(codes, scale, xs[t]);
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
