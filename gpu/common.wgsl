// What most kernels share: the place of a workgroup in a grid of two dimensions, a sum over a workgroup, two curves.

/// Number of a workgroup: one dimension holds 65535 at most, so a grid may be folded.
fn folded(wg: vec3u, count: vec3u) -> u32 {
  return wg.x + wg.y * count.x;
}

/// 1 / (1 + e^-v). The exponent stops at 80: WGSL promises nothing for infinities, and e^-80 is zero beside any value here.
fn sigmoid(v: f32) -> f32 {
  return 1.0 / (1.0 + exp(min(-v, 80.0)));
}
fn silu(v: f32) -> f32 {
  return v * sigmoid(v);
}
