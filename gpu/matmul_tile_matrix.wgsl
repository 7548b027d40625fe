// out[t, n] = Σ_k x[t, k] · w[n, k] for many tokens, on sub-group matrices: f16 operands, f32 sums. A BM x BN tile of out a workgroup,
// 64 x 32 of it a sub-group of LANES, a unit of K at a time through workgroup memory, the next unit fetched meanwhile.
// The sums have names: in an array with loop indices they leave the registers, and an H100 falls from 137 to 28 TFLOP/s.
@group(0) @binding(3) var<storage, read> xh: array<vec4<u32>>; // f16[T, units, 4, 8], see quantize_f16.wgsl, halves_q8.wgsl
@group(0) @binding(4) var<storage, read> x_scales: array<f32>; // [T]

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

const COLUMNS: u32 = BN / 32u; // sub-groups along n
// A row of a tile in fours of halves: 32 of them and 8 of padding, 80 bytes, so that eight rows lie in different banks.
// Offsets and strides of sub-group matrices count in elements of the array they lie in: fours too.
const STRIDE: u32 = 10u;
const PARTS: u32 = WORKGROUP / BN; // invocations that share a unit of w
const QUADS: u32 = 8u / PARTS;
const EIGHTS: u32 = (BM * 4u + WORKGROUP - 1u) / WORKGROUP; // eights of x that an invocation fetches

var<workgroup> x_tile: array<vec4<f16>, BM * STRIDE>; // [m, k]
var<workgroup> w_tile: array<vec4<f16>, BN * STRIDE>; // [n, k]
var<workgroup> results: array<f32, WORKGROUP / LANES * 256>; // [sub-group, m, n]

struct Fetched {
  w: Unit,
  x: array<vec4<u32>, EIGHTS>,
}

fn fetch(job: Job, n0: u32, u: u32, lid: u32) -> Fetched {
  var f: Fetched;
  f.w = weight_unit((job.weight_row + min(n0 + lid / PARTS, N - 1u)) * UNITS + u);
  for (var i = 0u; i < EIGHTS; i++) {
    let at = lid + i * WORKGROUP;
    let row = x_row(out_row(job, min(at / 4u, job.count - 1u)));
    f.x[i] = xh[(row * UNITS + u) * 4u + at % 4u];
  }
  return f;
}

fn put(f: Fetched, lid: u32) {
  for (var j = 0u; j < QUADS; j++) {
    let quad = (lid % PARTS) * QUADS + j;
    w_tile[(lid / PARTS) * STRIDE + quad] = vec4<f16>(unit_quad(f.w, quad));
  }
  for (var i = 0u; i < EIGHTS; i++) {
    let source = lid + i * WORKGROUP;
    if (source < BM * 4u) {
      let at = (source / 4u) * STRIDE + 2u * (source % 4u);
      x_tile[at] = bitcast<vec4<f16>>(f.x[i].xy);
      x_tile[at + 1u] = bitcast<vec4<f16>>(f.x[i].zw);
    }
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
  let m_sub = (sub / COLUMNS) * 64u;
  let n_sub = (sub % COLUMNS) * 32u;
  var a0: Sum; // rows 0…15 of the sub-group's part, columns 0…15
  var a1: Sum;
  var a2: Sum;
  var a3: Sum; // rows 48…63
  var b0: Sum; // columns 16…31
  var b1: Sum;
  var b2: Sum;
  var b3: Sum;
  var next = fetch(job, n0, 0u, lid);
  for (var u = 0u; u < UNITS; u++) {
    put(next, lid);
    workgroupBarrier();
    next = fetch(job, n0, min(u + 1u, UNITS - 1u), lid);
    for (var k = 0u; k < 8u; k += 4u) {
      let x0 = subgroupMatrixLoad<Left, row_major>(&x_tile, m_sub * STRIDE + k, STRIDE);
      let x1 = subgroupMatrixLoad<Left, row_major>(&x_tile, (m_sub + 16u) * STRIDE + k, STRIDE);
      let x2 = subgroupMatrixLoad<Left, row_major>(&x_tile, (m_sub + 32u) * STRIDE + k, STRIDE);
      let x3 = subgroupMatrixLoad<Left, row_major>(&x_tile, (m_sub + 48u) * STRIDE + k, STRIDE);
      let w0 = subgroupMatrixLoad<Right, col_major>(&w_tile, n_sub * STRIDE + k, STRIDE);
      let w1 = subgroupMatrixLoad<Right, col_major>(&w_tile, (n_sub + 16u) * STRIDE + k, STRIDE);
      a0 = subgroupMatrixMultiplyAccumulate(x0, w0, a0);
      a1 = subgroupMatrixMultiplyAccumulate(x1, w0, a1);
      a2 = subgroupMatrixMultiplyAccumulate(x2, w0, a2);
      a3 = subgroupMatrixMultiplyAccumulate(x3, w0, a3);
      b0 = subgroupMatrixMultiplyAccumulate(x0, w1, b0);
      b1 = subgroupMatrixMultiplyAccumulate(x1, w1, b1);
      b2 = subgroupMatrixMultiplyAccumulate(x2, w1, b2);
      b3 = subgroupMatrixMultiplyAccumulate(x3, w1, b3);
    }
    workgroupBarrier();
  }
  let sums = array(a0, b0, a1, b1, a2, b2, a3, b3); // here an array does no harm
  for (var i = 0u; i < 8u; i++) {
    subgroupMatrixStore<row_major>(&results, sub * 256u, sums[i], 16u);
    workgroupBarrier();
    for (var e = lid % LANES; e < 256u; e += LANES) {
      let m = m_sub + 16u * (i / 2u) + e / 16u;
      let n = n0 + n_sub + 16u * (i % 2u) + e % 16u;
      if (m < job.count && n < N) {
        let row = out_row(job, m);
        store(row, n, results[sub * 256u + e] * x_scales[x_row(row)]);
      }
    }
    workgroupBarrier();
  }
}
