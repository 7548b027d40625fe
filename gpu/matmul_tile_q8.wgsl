// out[t, n] = Σ_k x[t, k] · w[n, k] for many tokens, in int8: a BM x BN tile of out a workgroup, TM x TN of it an invocation,
// STEP units of 32 at a time through workgroup memory.
const COLUMNS: u32 = BN / TN; // invocations along n
const LINES: u32 = BM / TM; // invocations along t

var<workgroup> w_codes: array<vec4<u32>, STEP * 2 * BN>; // [unit, half, n]
var<workgroup> w_scales: array<vec4<f32>, STEP * BN>; // [unit, n]
var<workgroup> x_codes: array<vec4<u32>, STEP * 2 * BM>; // [unit, half, m]
var<workgroup> x_metas: array<vec2<u32>, STEP * BM>; // [unit, m]

fn load_weights(job: Job, n0: u32, u0: u32, lid: u32) {
  for (var i = lid; i < STEP * BN; i += WORKGROUP) {
    let s = i % STEP;
    let n = i / STEP;
    var codes = Codes(vec4(0u), vec4(0u));
    var scale = vec4(0.0);
    if (u0 + s < UNITS && n0 + n < N) {
      let unit = (job.weight_row + n0 + n) * UNITS + u0 + s;
      codes = weight_codes(unit);
      scale = weight_scale(unit);
    }
    w_codes[2u * s * BN + n] = codes.a;
    w_codes[(2u * s + 1u) * BN + n] = codes.b;
    w_scales[s * BN + n] = scale;
  }
}

fn load_activations(job: Job, u0: u32, lid: u32) {
  for (var i = lid; i < STEP * BM; i += WORKGROUP) {
    let s = i % STEP;
    let m = i / STEP;
    var codes = Codes(vec4(0u), vec4(0u));
    var scale_sums = vec2(0u);
    if (u0 + s < UNITS && m < job.count) {
      let unit = x_row(out_row(job, m)) * UNITS + u0 + s;
      codes = Codes(xq[2u * unit], xq[2u * unit + 1u]);
      scale_sums = x_meta[unit];
    }
    x_codes[2u * s * BM + m] = codes.a;
    x_codes[(2u * s + 1u) * BM + m] = codes.b;
    x_metas[s * BM + m] = scale_sums;
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let job = job_of(group.y, lid);
  if (job.count == 0u) {
    return;
  }
  weight_init(lid);
  let n0 = group.x * BN;
  let column = lid % COLUMNS;
  let line = lid / COLUMNS;
  var sums: array<array<f32, TN>, TM>;
  for (var u0 = 0u; u0 < UNITS; u0 += STEP) {
    load_weights(job, n0, u0, lid);
    load_activations(job, u0, lid);
    workgroupBarrier();
    for (var s = 0u; s < STEP; s++) {
      var xs: array<Activation, TM>;
      for (var i = 0u; i < TM; i++) {
        let m = line + i * LINES;
        xs[i] = activation_of(x_codes[2u * s * BM + m], x_codes[(2u * s + 1u) * BM + m], x_metas[s * BM + m]);
      }
      for (var j = 0u; j < TN; j++) {
        let n = column + j * COLUMNS;
        let codes = Codes(w_codes[2u * s * BN + n], w_codes[(2u * s + 1u) * BN + n]);
        let scale = w_scales[s * BN + n];
        for (var i = 0u; i < TM; i++) {
          sums[i][j] += unit_dot(codes, scale, xs[i]);
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < TM; i++) {
    let m = line + i * LINES;
    if (m < job.count) {
      let row = out_row(job, m);
      for (var j = 0u; j < TN; j++) {
        let n = n0 + column + j * COLUMNS;
        if (n < N) {
          store(row, n, sums[i][j]);
        }
      }
    }
  }
}
