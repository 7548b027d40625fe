// Causal depthwise convolution of K = 4 taps, then SiLU, and the state with it, for a few tokens; an invocation a channel.
@group(0) @binding(0) var<storage, read_write> out: array<f32>; // [T, C]
@group(0) @binding(1) var<storage, read> x: array<f32>; // [T, C]
@group(0) @binding(2) var<storage, read> weight: array<f32>; // [4, C]
@group(0) @binding(3) var<storage, read_write> state: array<f32>; // [S, 3, C]
@group(0) @binding(4) var<storage, read> rows: array<i32>; // [T]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lid: u32) {
  let c = wg.x * WG + lid;
  if (c >= C) { return; }
  let taps = vec4f(weight[c], weight[C + c], weight[2 * C + c], weight[3 * C + c]);
  for (var t = 0u; t < T(); t++) {
    let row = u32(rows[t]) * 3 * C + c;
    let window = vec4f(state[row], state[row + C], state[row + 2 * C], x[t * C + c]);
    out[t * C + c] = silu(dot(taps, window));
    state[row] = window.y;
    state[row + C] = window.z;
    state[row + 2 * C] = window.w;
  }
}
