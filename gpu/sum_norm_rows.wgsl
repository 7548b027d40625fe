// A residual step and its norm for all tokens.
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let t = folded(wg, count);
  if (t < arrayLength(&sum) / E) { norm_row(t, lid); }
}
