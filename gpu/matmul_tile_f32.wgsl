// out[t, n] = Σ_k x[t, k] · w[n, k] for many tokens, in f32: a BM x BN tile of out a workgroup, TM x TN of it an invocation (fours of
// neighbours), half a unit of K at a time through workgroup memory.
const DEPTH: u32 = 16u; // of K: 64 x 16 of both operands are 8 KiB
const COLUMNS: u32 = BN / TN; // invocations along n
const LINES: u32 = BM / TM; // invocations along t

var<workgroup> w_tile: array<array<f32, BN>, DEPTH>; // [k, n]
var<workgroup> x_tile: array<array<f32, BM>, DEPTH>; // [k, m]

fn load_weights(job: Job, n0: u32, k0: u32, lid: u32) {
  for (var i = lid; i < BN * 2u; i += WORKGROUP) {
    let n = i / 2u;
    let k = 8u * (i % 2u);
    var w = Octet(vec4(0.0), vec4(0.0));
    if (n0 + n < N) {
      w = weight_octet((job.weight_row + n0 + n) * UNITS * 4u + (k0 + k) / 8u);
    }
    for (var c = 0u; c < 4u; c++) {
      w_tile[k + c][n] = w.a[c];
      w_tile[k + 4u + c][n] = w.b[c];
    }
  }
}

fn load_activations(job: Job, k0: u32, lid: u32) {
  for (var i = lid; i < BM * 4u; i += WORKGROUP) {
    let m = i / 4u;
    let k = 4u * (i % 4u);
    var four = vec4(0.0);
    if (m < job.count) {
      let row = x_row(out_row(job, m)) * K;
      four = x_quad(row + min(k0 + k, K), row + K);
    }
    for (var c = 0u; c < 4u; c++) {
      x_tile[k + c][m] = four[c];
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
  for (var k0 = 0u; k0 < UNITS * 32u; k0 += DEPTH) {
    load_weights(job, n0, k0, lid);
    load_activations(job, k0, lid);
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      var xs: array<f32, TM>;
      for (var i = 0u; i < TM; i++) {
        xs[i] = x_tile[k][line * TM + i];
      }
      for (var j = 0u; j < TN; j++) {
        let w = w_tile[k][column + j * COLUMNS];
        for (var i = 0u; i < TM; i++) {
          sums[i][j] = fma(xs[i], w, sums[i][j]);
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < TM; i++) {
    let m = line * TM + i;
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
