// Gated delta rule in chunks, second part: the state S through the chunks of a sequence, one after the other, with N, M and the factors of
// gated_delta_chunk_within.wgsl. For the chunk's tokens, S as it was before them, w = v - e^G S k:
//   delta = N w,  out = e^G S q + M w,  S <- e^G_end S + sum of e^(G_end - G) delta kᵀ
// A workgroup holds ROWS of the Dv rows of one head's S in registers (grid: heads · Dv / ROWS x sequences). Each product is of rows from
// memory and a matrix in fast memory; an invocation makes four columns (rows of S) of HELD tokens.
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>; // [T, Hv, Dv]
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>; // [S, Hv, Dv, Dk]
@group(0) @binding(2) var<storage, read> pairs: array<vec4f>; // [Hv, chunks, N | M, CHUNK, CHUNK]
@group(0) @binding(3) var<storage, read> factors: array<vec4f>; // [T, Hv]: ks e^G, qs e^G, ks e^(G_end - G), e^G_end
@group(0) @binding(4) var<storage, read> qkv: array<vec4f>; // [T, C]
@group(0) @binding(5) var<storage, read> rows: array<i32>; // [T]

const KQ: u32 = Dk / 4;
const C: u32 = 2 * Hk * Dk + Hv * Dv;
const CQ: u32 = CHUNK / 4;
const RQ: u32 = ROWS / 4; // columns of invocations
const GROUPS: u32 = WG / RQ;
const HELD: u32 = CHUNK / GROUPS; // tokens of an invocation: its number in the column, then every GROUPS-th
const PER: u32 = KQ / GROUPS; // blocks of 4 x 4 of S that it holds

var<workgroup> matrix: array<vec4f, max(Dk, CHUNK) * RQ>; // S transposed: [Dk, ROWS]; then w, then delta: [CHUNK, ROWS]

fn block(row: u32, column: u32) -> mat4x4f {
  let at = row * RQ + column;
  return mat4x4f(matrix[at], matrix[at + RQ], matrix[at + 2 * RQ], matrix[at + 3 * RQ]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let run = run_of(wg.y, lid);
  if (run.y - run.x < CHUNKED_RUN) { return; } // short runs are gated_delta.wgsl's
  let h = wg.x / SLICES;
  let key_head = select(h / (Hv / Hk), h % Hk, TILED == 1);
  let query = key_head * KQ; // in a token's C, in quads
  let key = query + Hk * KQ;
  let column = lid % RQ;
  let group = lid / RQ;
  let row = h * Dv / 4 + wg.x % SLICES * RQ + column; // of all heads' S, in fours
  let S_at = (wg.y * Hv * Dv + 4 * row) * KQ + group;
  var S: array<vec4f, 4 * PER>; // transposed: four rows of S a vector
  for (var j = 0u; j < PER; j++) {
    let at = S_at + j * GROUPS;
    let held = transpose(mat4x4f(state[at], state[at + KQ], state[at + 2 * KQ], state[at + 3 * KQ]));
    S[4 * j] = held[0];
    S[4 * j + 1] = held[1];
    S[4 * j + 2] = held[2];
    S[4 * j + 3] = held[3];
  }
  let chunks = (T() + CHUNK - 1) / CHUNK;
  for (var chunk = run.x / CHUNK; chunk * CHUNK < run.y; chunk++) {
    let first = chunk * CHUNK;
    for (var i = 0u; i < 4 * PER; i++) { matrix[(4 * (group + i / 4 * GROUPS) + i % 4) * RQ + column] = S[i]; }
    workgroupBarrier();
    var token: array<u32, HELD>; // those outside the run read one inside, and are left out of the rest
    var Sk = array<vec4f, HELD>(); // written out: SwiftShader clears a variable of a loop body only once
    var Sq = array<vec4f, HELD>();
    for (var i = 0u; i < HELD; i++) { token[i] = clamp(first + group + i * GROUPS, run.x, run.y - 1); }
    for (var j = 0u; j < KQ; j++) {
      let states = block(4 * j, column);
      for (var i = 0u; i < HELD; i++) {
        let at = token[i] * C / 4 + j;
        Sk[i] += states * qkv[at + key];
        Sq[i] += states * qkv[at + query];
      }
    }
    workgroupBarrier();
    for (var i = 0u; i < HELD; i++) {
      let t = first + group + i * GROUPS;
      let f = factors[token[i] * Hv + h];
      let w = qkv[token[i] * C / 4 + 2 * Hk * KQ + row] - f.x * Sk[i];
      matrix[(group + i * GROUPS) * RQ + column] = select(vec4f(), w, t == token[i]);
      Sq[i] *= f.y;
    }
    workgroupBarrier();
    let N = (h * chunks + chunk) * 2 * CHUNK * CQ + group * CQ;
    var delta = array<vec4f, HELD>();
    for (var j = 0u; j < CQ; j++) {
      let w = block(4 * j, column);
      for (var i = 0u; i < HELD; i++) {
        let at = N + i * GROUPS * CQ + j;
        delta[i] += w * pairs[at];
        Sq[i] += w * pairs[at + CHUNK * CQ];
      }
    }
    workgroupBarrier();
    for (var i = 0u; i < HELD; i++) {
      let mine = first + group + i * GROUPS == token[i];
      matrix[(group + i * GROUPS) * RQ + column] = delta[i] * factors[token[i] * Hv + h].z;
      if (mine) { out[token[i] * Hv * Dv / 4 + row] = Sq[i]; }
    }
    workgroupBarrier();
    let begin = max(first, run.x);
    let end = min(first + CHUNK, run.y);
    let decay = factors[(end - 1) * Hv + h].w;
    for (var i = 0u; i < 4 * PER; i++) { S[i] *= decay; }
    for (var t = begin; t < end; t++) {
      let d = matrix[(t - first) * RQ + column];
      for (var j = 0u; j < PER; j++) {
        let k = qkv[t * C / 4 + key + group + j * GROUPS];
        S[4 * j] += d * k.x;
        S[4 * j + 1] += d * k.y;
        S[4 * j + 2] += d * k.z;
        S[4 * j + 3] += d * k.w;
      }
    }
    workgroupBarrier();
  }
  for (var j = 0u; j < PER; j++) {
    let at = S_at + j * GROUPS;
    let held = transpose(mat4x4f(S[4 * j], S[4 * j + 1], S[4 * j + 2], S[4 * j + 3]));
    state[at] = held[0];
    state[at + KQ] = held[1];
    state[at + 2 * KQ] = held[2];
    state[at + 3 * KQ] = held[3];
  }
}
