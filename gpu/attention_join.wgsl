// out = Σ_s e^(max_s - max) · shares[s] / Σ_s e^(max_s - max) · sum_s; a workgroup a head of a token.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, H, D]
@group(0) @binding(1) var<storage, read> shares: array<vec4f>; // [T, H, shares, D]
@group(0) @binding(2) var<storage, read> stats: array<vec2f>; // [T, H, shares]: maximum, sum
const QUADS: u32 = D / 4;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let head = folded(wg, count);
  if (head >= arrayLength(&out) / D) { return; }
  let splits = arrayLength(&stats) * D / arrayLength(&out);
  var top = -3e38;
  for (var s = 0u; s < splits; s++) { top = max(top, stats[head * splits + s].x); }
  for (var quad = lid; quad < QUADS; quad += WG) {
    var value = vec4f();
    var sum = 0.0;
    for (var s = 0u; s < splits; s++) {
      let stat = stats[head * splits + s];
      if (stat.y == 0.0) { continue; } // no cells in this share
      let weight = exp(stat.x - top);
      sum += weight * stat.y;
      value += weight * shares[(head * splits + s) * QUADS + quad];
    }
    let answer = gated(value / sum, head * QUADS + quad);
    for (var i = 0u; i < 4; i++) { out[head * D + quad * 4 + i] = answer[i]; }
  }
  row_done(head * D, D, lid);
}
