// A sum over the WG invocations of a workgroup in two levels: two barriers, where a tree has log2(WG). No sub-groups: Deno has none.
const SUM_LANES: u32 = 16;
var<workgroup> sum_all: array<f32, WG>;
var<workgroup> sum_lane: array<f32, SUM_LANES>;

/// Seen by every invocation. All must call it.
fn workgroup_sum(v: f32, lid: u32) -> f32 {
  sum_all[lid] = v;
  workgroupBarrier();
  if (lid < SUM_LANES) {
    var lane = 0.0;
    for (var i = lid; i < WG; i += SUM_LANES) { lane += sum_all[i]; }
    sum_lane[lid] = lane;
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < SUM_LANES; i++) { sum += sum_lane[i]; }
  return sum;
}
