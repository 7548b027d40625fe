// x = silu(gate) · up of one row, in fast memory: every workgroup makes it for itself.
@group(0) @binding(3) var<storage, read> gate: array<vec4f>; // [rows, K / 4]
@group(0) @binding(4) var<storage, read> up: array<vec4f>; // [rows, K / 4]

const X_QUADS: u32 = K / 4;
var<workgroup> x_made: array<vec4f, X_QUADS>;

// Invocation i makes quads i, i + WORKGROUP, …
fn x_silu(row: u32, lid: u32) {
  for (var i = lid; i < X_QUADS; i += WORKGROUP) {
    let g = gate[row * X_QUADS + i];
    x_made[i] = vec4f(silu(g.x), silu(g.y), silu(g.z), silu(g.w)) * up[row * X_QUADS + i];
  }
}
