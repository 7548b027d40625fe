// Where the tokens of one sequence lie in the ubatch: they are adjacent, so one run. Needs `rows` and WG.
var<workgroup> run_begin: u32;
var<workgroup> run_end: u32; // 0: none

/// First token and end of sequence s, by its row of state. All invocations must call it, once.
fn run_of(s: u32, lid: u32) -> vec2u {
  for (var t = lid; t < T(); t += WG) {
    if (u32(rows[t]) == s) {
      if (t == 0 || u32(rows[t - 1]) != s) { run_begin = t; }
      if (t + 1 == T() || u32(rows[t + 1]) != s) { run_end = t + 1; }
    }
  }
  return vec2u(workgroupUniformLoad(&run_begin), workgroupUniformLoad(&run_end));
}
