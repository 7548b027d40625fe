// out[t, n] = Σ_k x[t, k] · w[n, k] for many tokens, on sub-group matrices: f16 operands, f32 sums. A BM x BN tile of out a workgroup,
// WM x WN of it a sub-group of LANES, a unit of K at a time through workgroup memory.
@group(0) @binding(3) var<storage, read> xh: array<vec4<u32>>; // f16[T, units, 4, 8], see quantize_f16.wgsl
@group(0) @binding(4) var<storage, read> x_scales: array<f32>; // [T]

const COLUMNS: u32 = BN / WN; // sub-groups along n
// A row of a tile in fours of halves: 32 of them and 8 of padding, 80 bytes, so that eight rows lie in different banks.
// Offsets and strides of sub-group matrices count in elements of the array they lie in: fours too.
const STRIDE: u32 = 10u;

var<workgroup> x_tile: array<vec4<f16>, BM * STRIDE>; // [m, k]
var<workgroup> w_tile: array<vec4<f16>, BN * STRIDE>; // [n, k]
var<workgroup> results: array<f32, WORKGROUP / LANES * 256>; // [sub-group, m, n]

fn load_weights(job: Job, n0: u32, u: u32, lid: u32) {
  for (var n = lid; n < BN; n += WORKGROUP) {
    let unit = weight_unit((job.weight_row + min(n0 + n, N - 1u)) * UNITS + u);
    for (var j = 0u; j < 8u; j++) {
      w_tile[n * STRIDE + j] = vec4<f16>(unit_quad(unit, j));
    }
  }
}

fn load_activations(job: Job, u: u32, lid: u32) {
  for (var i = lid; i < BM * 4u; i += WORKGROUP) {
    let m = i / 4u;
    let row = x_row(out_row(job, min(m, job.count - 1u)));
    let eight = xh[(row * UNITS + u) * 4u + i % 4u];
    let at = m * STRIDE + 2u * (i % 4u);
    x_tile[at] = bitcast<vec4<f16>>(eight.xy);
    x_tile[at + 1u] = bitcast<vec4<f16>>(eight.zw);
  }
}

@diagnostic(off, chromium.subgroup_matrix_uniformity)
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let job = job_of(group.y, lid);
  if (job.count == 0u) {
    return;
  }
  weight_init(lid);
  let n0 = group.x * BN;
  let sub = lid / LANES;
  let m_sub = (sub / COLUMNS) * WM;
  let n_sub = (sub % COLUMNS) * WN;
  var sums: array<array<subgroup_matrix_result<f32, 16, 16>, WN / 16>, WM / 16>;
  for (var u = 0u; u < UNITS; u++) {
    load_weights(job, n0, u, lid);
    load_activations(job, u, lid);
    workgroupBarrier();
    for (var k = 0u; k < 32u; k += 16u) {
      var xs: array<subgroup_matrix_left<f16, 16, 16>, WM / 16>;
      for (var i = 0u; i < WM / 16u; i++) {
        xs[i] = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&x_tile, (m_sub + 16u * i) * STRIDE + k / 4u, STRIDE);
      }
      for (var j = 0u; j < WN / 16u; j++) {
        let w = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, col_major>(&w_tile, (n_sub + 16u * j) * STRIDE + k / 4u, STRIDE);
        for (var i = 0u; i < WM / 16u; i++) {
          sums[i][j] = subgroupMatrixMultiplyAccumulate(xs[i], w, sums[i][j]);
        }
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < WM / 16u; i++) {
    for (var j = 0u; j < WN / 16u; j++) {
      subgroupMatrixStore<row_major>(&results, sub * 256u, sums[i][j], 16u);
      workgroupBarrier();
      for (var e = lid % LANES; e < 256u; e += LANES) {
        let m = m_sub + 16u * i + e / 16u;
        let n = n0 + n_sub + 16u * j + e % 16u;
        if (m < job.count && n < N) {
          let row = out_row(job, m);
          store(row, n, results[sub * 256u + e] * x_scales[x_row(row)]);
        }
      }
      workgroupBarrier();
    }
  }
}
