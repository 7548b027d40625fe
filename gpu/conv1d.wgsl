// Causal depthwise convolution of K = 4 taps, then SiLU; an invocation a channel of a token. Reads the state, conv1d_state writes it.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, C]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, C]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [4, C]
@group(0) @binding(3) var<storage, read> state: array<f32>; // [S, 3, C]
@group(0) @binding(4) var<storage, read> rows: array<i32>; // [T]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let i = folded(wg, count) * WG + lid;
  if (i >= T() * C) { return; }
  let t = i / C;
  let c = i % C;
  var behind = 0u; // tokens of the same sequence right before this one, 3 at most
  while (behind < 3 && behind < t && rows[t - behind - 1] == rows[t]) { behind++; }
  var sum = weight[3 * C + c] * x[i];
  for (var j = 1u; j <= 3; j++) { // the input of j tokens ago: from the ubatch, else from the state, whose newest is its last
    var input: f32;
    if (j <= behind) { input = x[i - j * C]; } else { input = state[(u32(rows[t]) * 3 + 3 + behind - j) * C + c]; }
    sum += weight[(3 - j) * C + c] * input;
  }
  out[i] = silu(sum);
}
