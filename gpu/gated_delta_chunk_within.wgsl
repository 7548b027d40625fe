// Gated delta rule in chunks of 64 tokens, first part: what a chunk's tokens do to each other, all chunks at once. The WY form (Yang et al.
// 2024, arXiv 2412.06464). With delta_t = beta_t (v_t - e^g S k_t), G the sum of g over a sequence's tokens in the chunk so far, S before it:
//   delta = N (v - e^G S k),  N = (1 + L)^-1 beta,  L[t, c] = beta_t e^(G_t - G_c) k_t · k_c  for c < t
//   out = e^G S q + M (v - e^G S k),  M = P N,      P[t, c] = e^(G_t - G_c) q_t · k_c         for c <= t
// L and P are 0 between tokens of different sequences, so a chunk may hold several. A workgroup makes N and M of one chunk for every value
// head of one key head (grid: Hk x chunks); k · k and q · k are the same for all of them.
@group(0) @binding(0) var<storage, read_write> pairs: array<vec4f>; // [Hv, chunks, N | M, CHUNK, CHUNK]
@group(0) @binding(1) var<storage, read_write> factors: array<vec4f>; // [T, Hv]: ks e^G, qs e^G, ks e^(G_end - G), e^G_end
@group(0) @binding(2) var<storage, read> qkv: array<vec4f>; // [T, C]: q of Hk heads, k of Hk heads, v of Hv heads
@group(0) @binding(3) var<storage, read> a: array<f32>; // [T, Hv]
@group(0) @binding(4) var<storage, read> b: array<f32>; // [T, Hv]
@group(0) @binding(5) var<storage, read> dt: array<f32>; // [Hv]
@group(0) @binding(6) var<storage, read> A: array<f32>; // [Hv]
@group(0) @binding(7) var<storage, read> rows: array<i32>; // [T]

const KQ: u32 = Dk / 4; // quads of a key
const C: u32 = 2 * Hk * Dk + Hv * Dv;
const CQ: u32 = CHUNK / 4; // quads of a row of a matrix: a column of invocations each
const GROUPS: u32 = WG / CQ;
const HELD: u32 = CHUNK / GROUPS; // tokens of an invocation: its number in the column, then every GROUPS-th
const BAND: u32 = 64; // dimensions of the keys that are in fast memory at once
const NORM_LANES: u32 = WG / CHUNK;

var<workgroup> matrix: array<vec4f, CHUNK * CQ>; // keys, transposed: [BAND, CHUNK]; then 1 + L and its inverse: [CHUNK, CHUNK]
var<workgroup> scales: array<vec2f, CHUNK>; // ks, qs: what makes k and q of length 1 and 1 / sqrt(Dk)
var<workgroup> sequences: array<i32, CHUNK>; // row of state, -1 past the ubatch's end
var<workgroup> gates: array<vec2f, CHUNK>; // g, beta
var<workgroup> sums: array<f32, CHUNK>; // G

/// Where q (part 0) or k (part 1) of a token of the ubatch begins, in quads; past the end the last token stands in, for nobody to read.
fn quads_of(part: u32, t: u32, key_head: u32) -> u32 {
  return (min(t, T() - 1) * C + (part * Hk + key_head) * Dk) / 4;
}

/// Rows [row, row + 4) of the matrix in a column of quads: times a quad of another matrix's row it is a step of the product.
fn block(row: u32, column: u32) -> mat4x4f {
  let at = row * CQ + column;
  return mat4x4f(matrix[at], matrix[at + CQ], matrix[at + 2 * CQ], matrix[at + 3 * CQ]);
}

fn load_tokens(first: u32, key_head: u32, lid: u32) {
  let token = lid / NORM_LANES;
  var sum = vec2f();
  for (var j = lid % NORM_LANES; j < KQ; j += NORM_LANES) {
    let k = qkv[quads_of(1, first + token, key_head) + j];
    let q = qkv[quads_of(0, first + token, key_head) + j];
    sum += vec2f(dot(k, k), dot(q, q));
  }
  matrix[lid] = vec4f(sum, 0.0, 0.0);
  workgroupBarrier();
  if (lid < CHUNK) {
    var all = vec4f();
    for (var i = 0u; i < NORM_LANES; i++) { all += matrix[lid * NORM_LANES + i]; }
    scales[lid] = inverseSqrt(all.xy + EPS) * vec2f(1.0, inverseSqrt(f32(Dk)));
    sequences[lid] = select(-1, rows[min(first + lid, T() - 1)], first + lid < T());
  }
  workgroupBarrier();
}

/// Brings a band of the keys into fast memory: [dimension, token].
fn load_band(first: u32, key_head: u32, band: u32, lid: u32) {
  for (var i = lid; i < BAND / 4 * CQ; i += WG) {
    let quad = i % (BAND / 4);
    let token = i / (BAND / 4) * 4;
    let keys = mat4x4f(
      qkv[quads_of(1, first + token, key_head) + band * BAND / 4 + quad],
      qkv[quads_of(1, first + token + 1, key_head) + band * BAND / 4 + quad],
      qkv[quads_of(1, first + token + 2, key_head) + band * BAND / 4 + quad],
      qkv[quads_of(1, first + token + 3, key_head) + band * BAND / 4 + quad],
    );
    let dimensions = transpose(keys);
    let at = 4 * quad * CQ + token / 4;
    matrix[at] = dimensions[0];
    matrix[at + CQ] = dimensions[1];
    matrix[at + 2 * CQ] = dimensions[2];
    matrix[at + 3 * CQ] = dimensions[3];
  }
}

/// The gates of a value head and their sums along each sequence.
fn load_gates(first: u32, h: u32, lid: u32) {
  let t = first + lid;
  if (lid < CHUNK) {
    let gate = min(t, T() - 1) * Hv + h;
    gates[lid] = vec2f(softplus(a[gate] + dt[h]) * A[h], 1.0 / (1.0 + precise_exp(-b[gate])));
  }
  workgroupBarrier();
  if (lid < CHUNK) {
    var end = 0.0;
    for (var i = 0u; i < CHUNK; i++) {
      end += select(0.0, gates[i].x, sequences[i] == sequences[lid]);
      if (i == lid) { sums[lid] = end; }
    }
    let G = sums[lid];
    let s = scales[lid];
    if (t < T()) { factors[t * Hv + h] = vec4f(s * precise_exp(G), s.x * precise_exp(end - G), precise_exp(end)); }
  }
  workgroupBarrier();
}

/// (1 + L)^-1 in place: blocks of 4 x 4 by their series, which ends, then of twice the size as long as there are any:
/// [A 0; L B]^-1 = [A^-1 0; -B^-1 L A^-1 B^-1].
fn invert(lid: u32) {
  if (lid < CQ) {
    let one = mat4x4f(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0);
    let below = block(4 * lid, lid) - one;
    let inverse = (one - below) * (one + below * below);
    let at = 4 * lid * CQ + lid;
    matrix[at] = inverse[0];
    matrix[at + CQ] = inverse[1];
    matrix[at + 2 * CQ] = inverse[2];
    matrix[at + 3 * CQ] = inverse[3];
  }
  workgroupBarrier();
  for (var size = 4u; size < CHUNK; size *= 2) {
    let mine = lid < CHUNK / 2 * size / 4; // a quad of a row of an L each
    let row = lid / (size / 4);
    let top = row / size * 2 * size; // where A begins, and B after it
    let left = top / 4;
    let at = (top + size + row % size) * CQ + left;
    let column = lid % (size / 4);
    var sum = vec4f();
    if (mine) { for (var j = 0u; j < size / 4; j++) { sum += block(top + 4 * j, left + column) * matrix[at + j]; } }
    workgroupBarrier();
    if (mine) { matrix[at + column] = sum; }
    workgroupBarrier();
    sum = vec4f();
    if (mine) { for (var j = 0u; j < size / 4; j++) { sum -= block(top + size + 4 * j, left + column) * matrix[at + size / 4 + j]; } }
    workgroupBarrier();
    if (mine) { matrix[at + column] = sum; }
    workgroupBarrier();
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let key_head = wg.x;
  let first = wg.y * CHUNK;
  let column = lid % CQ;
  let group = lid / CQ;
  load_tokens(first, key_head, lid);

  var kk: array<vec4f, HELD>; // k · k of its tokens with the column's four
  var qk: array<vec4f, HELD>;
  for (var band = 0u; band < Dk / BAND; band++) {
    load_band(first, key_head, band, lid);
    workgroupBarrier();
    for (var j = 0u; j < BAND / 4; j++) {
      let keys = block(4 * j, column);
      for (var i = 0u; i < HELD; i++) {
        let t = first + group + i * GROUPS;
        kk[i] += keys * qkv[quads_of(1, t, key_head) + band * BAND / 4 + j];
        qk[i] += keys * qkv[quads_of(0, t, key_head) + band * BAND / 4 + j];
      }
    }
    workgroupBarrier();
  }

  for (var value = 0u; value < Hv / Hk; value++) {
    let h = select(key_head * (Hv / Hk) + value, value * Hk + key_head, TILED == 1);
    let N = (h * count.y + wg.y) * 2 * CHUNK * CQ;
    let M = N + CHUNK * CQ;
    load_gates(first, h, lid);
    for (var i = 0u; i < HELD; i++) {
      let t = group + i * GROUPS;
      var L = vec4f();
      var P = vec4f();
      for (var j = 0u; j < 4; j++) {
        let c = 4 * column + j;
        let decay = select(0.0, precise_exp(sums[t] - sums[c]) * scales[c].x, c <= t && sequences[c] == sequences[t]);
        L[j] = select(kk[i][j] * gates[t].y * scales[t].x * decay, 1.0, c == t);
        P[j] = qk[i][j] * scales[t].y * decay;
      }
      matrix[t * CQ + column] = L;
      pairs[M + t * CQ + column] = P;
    }
    storageBarrier();
    workgroupBarrier();
    invert(lid);
    let beta = vec4f(gates[4 * column].y, gates[4 * column + 1].y, gates[4 * column + 2].y, gates[4 * column + 3].y);
    var product = array<vec4f, HELD>(); // written out: SwiftShader clears a variable of a loop body only once
    for (var j = 0u; j < CQ; j++) {
      let inverse = block(4 * j, column);
      for (var i = 0u; i < HELD; i++) { product[i] += inverse * pairs[M + (group + i * GROUPS) * CQ + j]; }
    }
    storageBarrier(); // all have read P
    for (var i = 0u; i < HELD; i++) {
      let at = (group + i * GROUPS) * CQ + column;
      pairs[N + at] = matrix[at] * beta;
      pairs[M + at] = product[i] * beta;
    }
    workgroupBarrier();
  }
}
