// x f32[T, K] -> int8 (quantize_unit.wgsl), an invocation a unit.
@group(0) @binding(0) var<storage, read> x: array<vec4f>; // [T, units, 8]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let unit = folded(wg, count) * WG + lid;
  let live = unit < arrayLength(&x_meta); // units are whole blocks: none is live in part
  var v: array<vec4f, 8>;
  if (live) { for (var i = 0u; i < 8; i++) { v[i] = x[unit * 8 + i]; } }
  let largest = block_largest(v, lid);
  if (live) { quantize_unit(unit, v, largest); }
}
