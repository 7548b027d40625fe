// `row` <- rope(rms_norm(row)): the per-head norm of queries and keys and their rotation, without a trip to memory.

/// All invocations must call it, each when it has multiplied its elements by the norm's weights. `squares`: its share of Σ row² before that.
fn norm_rope(t: u32, squares: f32, lid: u32) {
  let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(D) + EPS);
  for (var i = lid; i < D; i += WG) { row[i] *= scale; }
  workgroupBarrier();
  for (var p = lid; p < P; p += WG) { // a pair an invocation: nobody else touches it
    let cosine = rotation[t * 2 * P + p];
    let sine = rotation[t * 2 * P + P + p];
    let a = row[p];
    let b = row[P + p];
    row[p] = a * cosine - b * sine;
    row[P + p] = a * sine + b * cosine;
  }
  workgroupBarrier();
}
