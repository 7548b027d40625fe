/// Sum over the LANES invocations of a row of S, through fast memory. `turn` alternates: the next sum may be written while this one is read.
fn lane_sum(v: vec2f, turn: u32, lid: u32) -> vec2f {
  if (LANES == 1) { return v; }
  shared_rows[turn + lid] = v;
  workgroupBarrier();
  var sum = vec2f();
  for (var i = 0u; i < LANES; i++) { sum += shared_rows[turn + lid / LANES * LANES + i]; }
  return sum;
}
