// The sums of one token from column CONV_FIRST on are the channels of a convolution of 4 taps and SiLU, as in conv1d_step.wgsl: nobody
// else reads them, so they go through it on their way. All other sums are stored.
@group(0) @binding(CONV_OUT) var<storage, read_write> conv_out: array<f32>; // [1, C]
@group(0) @binding(CONV_TAPS) var<storage, read> conv_taps: array<f32>; // [4, C]
@group(0) @binding(CONV_STATE) var<storage, read_write> conv_state: array<f32>; // [S, 3, C]
@group(0) @binding(CONV_ROWS) var<storage, read> conv_rows: array<i32>; // [1]

fn finish(row: u32, n: u32, value: f32) {
  let c = FIRST_N + n - CONV_FIRST; // columns before the first wrap around
  if (c >= CONV_C) {
    store(row, n, value);
    return;
  }
  let at = u32(conv_rows[0]) * 3 * CONV_C + c;
  let taps = vec4f(conv_taps[c], conv_taps[CONV_C + c], conv_taps[2 * CONV_C + c], conv_taps[3 * CONV_C + c]);
  let window = vec4f(conv_state[at], conv_state[at + CONV_C], conv_state[at + 2 * CONV_C], value);
  conv_out[c] = silu(dot(taps, window));
  conv_state[at] = window.y;
  conv_state[at + CONV_C] = window.z;
  conv_state[at + 2 * CONV_C] = window.w;
}
