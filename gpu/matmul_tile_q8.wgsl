// out[t, n] = Σ_k x[t, k] · w[n, k] for many tokens, in int8: a BM x BN tile of out a workgroup, TM x TN of it an invocation,
// STEP units of 32 at a time through workgroup memory. The next step's units are fetched into registers while this one's are multiplied.
const COLUMNS: u32 = BN / TN; // invocations along n
const LINES: u32 = BM / TM; // invocations along t
const W_SHARE: u32 = (STEP * BN + WORKGROUP - 1u) / WORKGROUP; // units that an invocation fetches
const X_SHARE: u32 = (STEP * BM + WORKGROUP - 1u) / WORKGROUP;

var<workgroup> w_codes: array<vec4<u32>, STEP * 2 * BN>; // [unit, half, n]
var<workgroup> w_scales: array<vec4<f32>, STEP * BN>; // [unit, n]
var<workgroup> x_codes: array<vec4<u32>, STEP * 2 * BM>; // [unit, half, m]
var<workgroup> x_scales: array<vec2<u32>, STEP * BM>; // [unit, m], as in x_meta

struct Fetched {
  w: array<Codes, W_SHARE>,
  w_scale: array<vec4<f32>, W_SHARE>,
  x: array<Codes, X_SHARE>,
  x_scale: array<vec2<u32>, X_SHARE>,
}

// Unit i of the tile's weights is unit i % STEP of row i / STEP: neighbours read neighbours.
fn fetch(job: Job, n0: u32, u0: u32, lid: u32) -> Fetched {
  var f: Fetched;
  for (var c = 0u; c < W_SHARE; c++) {
    let i = lid + c * WORKGROUP;
    let u = u0 + i % STEP;
    if (i < STEP * BN && u < UNITS && n0 + i / STEP < N) {
      let unit = (job.weight_row + n0 + i / STEP) * UNITS + u;
      f.w[c] = weight_codes(unit);
      f.w_scale[c] = weight_scale(unit);
    }
  }
  for (var c = 0u; c < X_SHARE; c++) {
    let i = WORKGROUP - 1u - lid + c * WORKGROUP; // from the other end: where a share is less than one, others fetch x than w
    let u = u0 + i % STEP;
    if (i < STEP * BM && u < UNITS && i / STEP < job.count) {
      let unit = x_row(out_row(job, i / STEP)) * UNITS + u;
      f.x[c] = Codes(xq[2u * unit], xq[2u * unit + 1u]);
      f.x_scale[c] = x_meta[unit];
    }
  }
  return f;
}

fn put(f: Fetched, lid: u32) {
  for (var c = 0u; c < W_SHARE; c++) {
    let i = lid + c * WORKGROUP;
    if (i < STEP * BN) {
      let at = 2u * (i % STEP) * BN + i / STEP;
      w_codes[at] = f.w[c].a;
      w_codes[at + BN] = f.w[c].b;
      w_scales[(i % STEP) * BN + i / STEP] = f.w_scale[c];
    }
  }
  for (var c = 0u; c < X_SHARE; c++) {
    let i = WORKGROUP - 1u - lid + c * WORKGROUP;
    if (i < STEP * BM) {
      let at = 2u * (i % STEP) * BM + i / STEP;
      x_codes[at] = f.x[c].a;
      x_codes[at + BM] = f.x[c].b;
      x_scales[(i % STEP) * BM + i / STEP] = f.x_scale[c];
    }
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
  var next = fetch(job, n0, 0u, lid);
  for (var u0 = 0u; u0 < UNITS; u0 += STEP) {
    put(next, lid);
    workgroupBarrier();
    next = fetch(job, n0, u0 + STEP, lid);
    for (var s = 0u; s < STEP; s++) {
      var xs: array<Activation, TM>;
      for (var i = 0u; i < TM; i++) {
        let m = line + i * LINES;
        xs[i] = activation_of(x_codes[2u * s * BM + m], x_codes[(2u * s + 1u) * BM + m], x_scales[s * BM + m]);
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
