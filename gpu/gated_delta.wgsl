// Gated delta rule, token by token; a workgroup holds ROWS of the Dv rows of one head's state S in registers over all tokens of a
// sequence (grid: heads · Dv / ROWS x sequences). LANES invocations share a row, PER quads of Dk each.
// With q and k still raw, qs and ks their scales: S k and S q come in one pass over S, and S' q = decay S q + delta (k · q).
// The softplus, the l2 norms and beta are inside: alone each is a pass over memory for a few operations.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, Hv, Dv]
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>; // [T, C]: q of Hk heads, k of Hk heads, v of Hv heads
@group(0) @binding(2) var<storage, read> a: array<f32>; // [T, Hv]
@group(0) @binding(3) var<storage, read> b: array<f32>; // [T, Hv]
@group(0) @binding(4) var<storage, read> dt: array<f32>; // [Hv]
@group(0) @binding(5) var<storage, read> A: array<f32>; // [Hv]
@group(0) @binding(6) var<storage, read_write> state: array<vec4f>; // [S, Hv, Dv, Dk]
@group(0) @binding(7) var<storage, read> rows: array<i32>; // [T]

const KQ: u32 = Dk / 4; // quads of a key
const C: u32 = 2 * Hk * Dk + Hv * Dv;
const TOKEN_LANES: u32 = 16; // invocations that sum one token's q · q, k · k and k · q
const R2: f32 = 1.0 / f32(Dk);

var<workgroup> qk: array<vec4f, CHUNK * 2 * KQ>; // [CHUNK, q | k]
var<workgroup> values: array<f32, CHUNK * ROWS>;
var<workgroup> sums: array<vec4f, CHUNK * TOKEN_LANES>;
var<workgroup> factors: array<vec4f, CHUNK>; // decay, beta, ks, qs
var<workgroup> key_query: array<f32, CHUNK>; // (k · q) ks qs
var<workgroup> shared_rows: array<vec2f, 2 * WG>; // partial S k and S q, in turns: one barrier a token

/// Reads tokens [first, first + n) of head h into fast memory and makes their factors.
fn load_chunk(first: u32, n: u32, h: u32, row0: u32, lid: u32) {
  let key_head = select(h / (Hv / Hk), h % Hk, TILED == 1);
  for (var i = lid; i < n * 2 * KQ; i += WG) {
    let t = first + i / (2 * KQ);
    let part = i / KQ % 2; // 0: q, 1: k
    qk[i] = qkv[(t * C + (part * Hk + key_head) * Dk) / 4 + i % KQ];
  }
  for (var i = lid; i < n * ROWS; i += WG) {
    let at = (first + i / ROWS) * C + 2 * Hk * Dk + h * Dv + min(row0 + i % ROWS, Dv - 1);
    values[i] = qkv[at / 4][at % 4];
  }
  workgroupBarrier();
  let token = lid / TOKEN_LANES;
  if (token < n) {
    var sum = vec4f();
    for (var j = lid % TOKEN_LANES; j < KQ; j += TOKEN_LANES) {
      let q = qk[token * 2 * KQ + j];
      let k = qk[(token * 2 + 1) * KQ + j];
      sum += vec4f(dot(q, q), dot(k, k), dot(k, q), 0.0);
    }
    sums[lid] = sum;
  }
  workgroupBarrier();
  if (lid < n) {
    var sum = vec4f();
    for (var j = 0u; j < TOKEN_LANES; j++) { sum += sums[lid * TOKEN_LANES + j]; }
    let qs = inverseSqrt(sum.x + EPS) * sqrt(R2);
    let ks = inverseSqrt(sum.y + EPS);
    let gate = (first + lid) * Hv + h;
    factors[lid] = vec4f(precise_exp(softplus(a[gate] + dt[h]) * A[h]), 1.0 / (1.0 + precise_exp(-b[gate])), ks, qs);
    key_query[lid] = sum.z * ks * qs;
  }
  workgroupBarrier();
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let run = run_of(wg.y, lid);
  if (run.y == 0 || run.y - run.x >= CHUNKED_RUN) { return; } // long runs are the chunked kernels'
  let h = wg.x / SLICES;
  let row0 = wg.x % SLICES * ROWS;
  let lane = lid % LANES;
  let row = lid / LANES;
  let mine = row < ROWS && row0 + row < Dv;
  let at = ((wg.y * Hv + h) * Dv + min(row0 + row, Dv - 1)) * KQ + lane;
  var S: array<vec4f, PER>; // quads lane, lane + LANES, ... of a row
  for (var j = 0u; j < PER; j++) { S[j] = state[at + j * LANES]; }
  for (var first = run.x; first < run.y; first += CHUNK) {
    let n = min(CHUNK, run.y - first);
    load_chunk(first, n, h, row0, lid);
    for (var token = 0u; token < n; token++) {
      let q0 = token * 2 * KQ + lane;
      var dots = vec2f(); // S k, S q
      for (var j = 0u; j < PER; j++) { dots += vec2f(dot(S[j], qk[q0 + KQ + j * LANES]), dot(S[j], qk[q0 + j * LANES])); }
      dots = lane_sum(dots, token % 2 * WG, lid);
      let f = factors[token];
      let delta = f.y * (values[token * ROWS + min(row, ROWS - 1)] - f.x * f.z * dots.x);
      for (var j = 0u; j < PER; j++) { S[j] = S[j] * f.x + qk[q0 + KQ + j * LANES] * (delta * f.z); }
      emit(((first + token) * Hv + h) * Dv + row0 + row, f.x * f.w * dots.y + delta * key_query[token], mine && lane == 0, lid);
    }
    workgroupBarrier();
  }
  if (mine) { for (var j = 0u; j < PER; j++) { state[at + j * LANES] = S[j]; } }
}
