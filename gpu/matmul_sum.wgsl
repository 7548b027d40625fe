// Sums over groups of LANES neighbouring invocations, through workgroup memory.
var<workgroup> partial: array<f32, WORKGROUP>;

// The sum of its group in every group's first invocation. Call in uniform control flow.
fn lanes_sum(value: f32, lid: u32) -> f32 {
  partial[lid] = value;
  workgroupBarrier();
  for (var s = LANES / 2u; s > 0u; s >>= 1u) {
    if (lid % LANES < s) {
      partial[lid] += partial[lid + s];
    }
    workgroupBarrier();
  }
  let sum = partial[lid];
  workgroupBarrier();
  return sum;
}
