// Sums over groups of LANES neighbouring invocations: SUB of them (LANES, or the smallest sub-group) by shuffles, the rest through
// workgroup memory. Sub-groups of a one-dimensional workgroup are runs of neighbours in every implementation.
var<workgroup> partial: array<f32, WORKGROUP / SUB>;

// The sum of its group in every group's first invocation. Call in uniform control flow.
fn lanes_sum(value: f32, lid: u32) -> f32 {
  var sum = value;
  for (var s = SUB / 2u; s > 0u; s >>= 1u) {
    sum += subgroupShuffleXor(sum, s);
  }
  if (LANES > SUB) {
    if (lid % SUB == 0u) {
      partial[lid / SUB] = sum;
    }
    workgroupBarrier();
    if (lid % LANES == 0u) {
      for (var i = 1u; i < LANES / SUB; i++) {
        sum += partial[lid / SUB + i];
      }
    }
    workgroupBarrier();
  }
  return sum;
}
