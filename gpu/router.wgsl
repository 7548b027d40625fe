// Softmax over X experts, the U largest, renormalised; a workgroup a token. An expert's place is the number of experts before it:
// X² comparisons from fast memory and one barrier, where U rounds of a maximum would have 2 U of them.
@group(0) @binding(0) var<storage, read_write> ids: array<i32>; // [T, SLOTS]
@group(0) @binding(1) var<storage, read_write> weights: array<f32>; // [T, SLOTS]
@group(0) @binding(2) var<storage, read> logits: array<f32>; // [T, X]

var<workgroup> row: array<f32, X>;
var<workgroup> best: array<f32, U>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let t = folded(wg, count);
  if (t >= arrayLength(&logits) / X) { return; }
  for (var x = lid; x < X; x += WG) { row[x] = logits[t * X + x]; }
  workgroupBarrier();
  for (var x = lid; x < X; x += WG) {
    let mine = row[x];
    var before = 0u;
    for (var o = 0u; o < X; o++) { before += select(0u, 1u, row[o] > mine || (row[o] == mine && o < x)); }
    if (before < U) {
      best[before] = mine;
      ids[t * SLOTS + before] = i32(x);
    }
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var u = 0u; u < U; u++) { sum += exp(best[u] - best[0]); } // softmax's own denominator cancels
  for (var u = lid; u < U; u += WG) { weights[t * SLOTS + u] = exp(best[u] - best[0]) / sum; }
  if (lid == 0) { after_best(t); }
}
