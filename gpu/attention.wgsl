// Causal attention with online softmax (Milakov & Gimelshein 2018; Dao 2022). A workgroup takes R query rows that share a kv head, TT tokens
// of HB heads, over its share of their cells (as many shares as the grid is deep: Dao 2023, flash-decoding), BC at a time: scores, softmax, values.
@group(0) @binding(0) var<storage, read> q: array<vec4f>; // [T, H, D]
@group(0) @binding(1) var<storage, read> k_cache: array<u32>; // [S, G, N, D]
@group(0) @binding(2) var<storage, read> v_cache: array<u32>; // [S, G, N, D]
@group(0) @binding(3) var<storage, read> rows: array<i32>; // [T]
@group(0) @binding(4) var<storage, read> positions: array<i32>; // [T]

const BC: u32 = 32; // cells of a block: with SQ = 16 quads of D its keys take 8.5 of the 16 KiB that every device has
const SQ: u32 = 16;
const PITCH: u32 = SQ + 1; // a quad of padding: cells in a row hit different banks
const R: u32 = TT * HB;
const QUADS: u32 = D / 4;
const GROUPS: u32 = min(WG / QUADS, R); // of invocations, each with its share of the rows for the values
const GROUP_ROWS: u32 = (R + GROUPS - 1) / GROUPS;
const ROW_LANES: u32 = WG / R; // invocations of a row in the softmax
const ROW_STEP: u32 = WG / BC;
const MY_ROWS: u32 = (R + ROW_STEP - 1) / ROW_STEP; // rows of an invocation in the scores
const LOWEST: f32 = -3e38; // no score yet. Finite: WGSL promises nothing for infinities

var<workgroup> tile: array<vec4f, BC * PITCH>; // keys [BC, SQ]
var<workgroup> q_tile: array<vec4f, R * SQ>;
var<workgroup> p: array<f32, BC * R>; // scores, then e^(score - max), [BC, R]
var<workgroup> lanes: array<f32, WG>;
var<workgroup> row_max: array<f32, R>;
var<workgroup> row_sum: array<f32, R>;
var<workgroup> row_scale: array<f32, R>;
var<workgroup> run: vec4u; // tokens [x, y) of the tile that share a stripe of the cache, cells, stripe

/// The next tokens of the tile that are of one sequence: a ubatch may change sequence within a tile.
fn next_run(first: u32, end: u32, lid: u32) -> vec4u {
  if (lid == 0) {
    var last = first;
    var cells = 0u;
    while (last < end && rows[last] == rows[first]) {
      cells = max(cells, u32(positions[last]) + 1);
      last++;
    }
    run = vec4u(first, last, cells, u32(rows[first]));
  }
  return workgroupUniformLoad(&run);
}

/// p[c, r] = scale · q[r] · k[c] for a block of cells; LOWEST where r may not see c.
fn scores(t0: u32, head0: u32, now: vec4u, cell0: u32, begin: u32, end: u32, lid: u32) {
  var sums: array<f32, MY_ROWS>;
  let c = lid % BC;
  for (var slice = 0u; slice < QUADS; slice += SQ) {
    workgroupBarrier();
    for (var i = lid; i < BC * SQ; i += WG) {
      let quad = slice + i % SQ;
      let cell = begin + i / SQ;
      var key = vec4f();
      if (quad < QUADS && cell < end) { key = k_quad(cell0 + cell, quad); }
      tile[i / SQ * PITCH + i % SQ] = key;
    }
    for (var i = lid; i < R * SQ; i += WG) {
      let quad = slice + i % SQ;
      let t = t0 + i / SQ / HB;
      var query = vec4f();
      if (quad < QUADS && t < T()) { query = q[(t * H + head0 + i / SQ % HB) * QUADS + quad]; }
      q_tile[i] = query;
    }
    workgroupBarrier();
    for (var i = 0u; i < SQ; i++) {
      let key = tile[c * PITCH + i];
      for (var j = 0u; j < MY_ROWS; j++) { sums[j] += dot(key, q_tile[min(lid / BC + j * ROW_STEP, R - 1) * SQ + i]); }
    }
  }
  for (var j = 0u; j < MY_ROWS; j++) {
    let r = lid / BC + j * ROW_STEP;
    if (r >= R) { continue; }
    let t = t0 + r / HB;
    let cell = begin + c;
    var seen = t >= now.x && t < now.y && cell < end;
    if (seen) { seen = cell <= u32(positions[t]); }
    p[c * R + r] = select(LOWEST, sums[j] * SCALE, seen);
  }
  workgroupBarrier();
}

/// Scores to weights: each row's maximum so far, e^(score - max), their sum, and by what the values so far have to shrink.
fn softmax(lid: u32) {
  let r = min(lid / ROW_LANES, R - 1);
  let lane = lid % ROW_LANES;
  let mine = lid < R * ROW_LANES;
  var top = LOWEST;
  if (mine) { for (var c = lane; c < BC; c += ROW_LANES) { top = max(top, p[c * R + r]); } }
  lanes[lid] = top;
  workgroupBarrier();
  top = row_max[r];
  for (var i = 0u; i < ROW_LANES; i++) { top = max(top, lanes[r * ROW_LANES + i]); }
  var sum = 0.0;
  if (mine) {
    for (var c = lane; c < BC; c += ROW_LANES) {
      let score = p[c * R + r];
      let weight = select(exp(score - top), 0.0, score == LOWEST);
      p[c * R + r] = weight;
      sum += weight;
    }
  }
  workgroupBarrier();
  lanes[lid] = sum;
  workgroupBarrier();
  if (mine && lane == 0) {
    let shrink = exp(row_max[r] - top);
    var total = row_sum[r] * shrink;
    for (var i = 0u; i < ROW_LANES; i++) { total += lanes[r * ROW_LANES + i]; }
    row_scale[r] = shrink;
    row_sum[r] = total;
    row_max[r] = top;
  }
  workgroupBarrier();
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let head0 = wg.x * HB;
  let t0 = wg.y * TT;
  let t_end = min(t0 + TT, T());
  let quad = lid % QUADS;
  let group = lid / QUADS;
  var acc: array<vec4f, GROUP_ROWS>; // this invocation's quad of the values of rows group, group + GROUPS, ...
  if (lid < R) {
    row_max[lid] = LOWEST;
    row_sum[lid] = 0.0;
  }
  for (var t = t0; t < t_end;) {
    let now = next_run(t, t_end, lid);
    t = now.y;
    let cell0 = (now.w * G + head0 / (H / G)) * N;
    let share = max((now.z + count.z * BC - 1) / (count.z * BC), MIN_BLOCKS) * BC;
    let end = min(now.z, (wg.z + 1) * share);
    for (var begin = wg.z * share; begin < end; begin += BC) {
      scores(t0, head0, now, cell0, begin, end, lid);
      softmax(lid);
      if (group < GROUPS) {
        for (var j = 0u; j < GROUP_ROWS; j++) { acc[j] *= row_scale[min(group + j * GROUPS, R - 1)]; }
        for (var c = 0u; c < min(BC, end - begin); c++) {
          let value = v_quad(cell0 + begin + c, quad);
          for (var j = 0u; j < GROUP_ROWS; j++) { acc[j] += p[c * R + min(group + j * GROUPS, R - 1)] * value; }
        }
      }
    }
  }
  for (var j = 0u; j < GROUP_ROWS; j++) {
    let r = group + j * GROUPS;
    let t = t0 + r / HB;
    if (group < GROUPS && r < R && t < T()) { emit(t * H + head0 + r % HB, quad, acc[j], row_max[r], row_sum[r], wg.z, count.z); }
  }
}
