// The index of each row's largest logit, the lowest of equals; a workgroup a row. It goes to the next run's tokens as well.
@group(0) @binding(0) var<storage, read_write> ids: array<i32>; // [O]
@group(0) @binding(1) var<storage, read> logits: array<f32>; // [O, V]
@group(0) @binding(2) var<storage, read_write> next: array<i32>; // [T]

var<workgroup> top: array<f32, WG>;
var<workgroup> place: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let o = folded(wg, count);
  if (o >= arrayLength(&ids)) { return; }
  var best = lid; // WG <= V
  var most = logits[o * V + lid];
  for (var v = lid + WG; v < V; v += WG) {
    let value = logits[o * V + v];
    if (value > most) {
      most = value;
      best = v;
    }
  }
  top[lid] = most;
  place[lid] = best;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lid < half) {
      let value = top[lid + half];
      if (value > top[lid] || (value == top[lid] && place[lid + half] < place[lid])) {
        top[lid] = value;
        place[lid] = place[lid + half];
      }
    }
    workgroupBarrier();
  }
  if (lid == 0u) {
    ids[o] = i32(place[0]);
    if (o < arrayLength(&next)) { next[o] = i32(place[0]); }
  }
}
