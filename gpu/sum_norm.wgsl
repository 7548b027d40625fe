// sum[t, e] = term(t, e), out = rms_norm(sum) · weight: a residual step and the norm behind it; a workgroup a row.
// `term` is in term_*.wgsl, with the bindings from 3 on.
@group(0) @binding(0) var<storage, read_write> sum: array<f32>; // [T, E]
@group(0) @binding(1) var<storage, read_write> out: array<f32>; // [T, E]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [E]

fn norm_row(t: u32, lid: u32) {
  var squares = 0.0;
  for (var e = lid; e < E; e += WG) {
    let v = term(t, e);
    sum[t * E + e] = v;
    squares += v * v;
  }
  let scale = inverseSqrt(workgroup_sum(squares, lid) / f32(E) + EPS);
  for (var e = lid; e < E; e += WG) { out[t * E + e] = sum[t * E + e] * scale * weight[e]; } // reads what it wrote itself
  row_done(t * E, E, lid);
}
