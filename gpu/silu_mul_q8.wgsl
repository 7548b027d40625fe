// out = silu(gate) · up, and its rounding for the matmul that reads it next; an invocation a unit of 32.
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>; // [T, F]
@group(0) @binding(1) var<storage, read> gate: array<vec4f>; // [T, F]
@group(0) @binding(2) var<storage, read> up: array<vec4f>; // [T, F]

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lid: u32) {
  let unit = folded(wg, count) * WG + lid;
  let live = unit < arrayLength(&out) / 8;
  var v: array<vec4f, 8>;
  if (live) {
    for (var i = 0u; i < 8; i++) {
      let g = gate[unit * 8 + i];
      v[i] = vec4f(silu(g.x), silu(g.y), silu(g.z), silu(g.w)) * up[unit * 8 + i];
      out[unit * 8 + i] = v[i];
    }
  }
  let largest = block_largest(v, lid);
  if (live) { quantize_unit(unit, v, largest); }
}
