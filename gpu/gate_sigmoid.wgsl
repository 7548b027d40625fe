// The output gate of gated attention, right where the answer is written.
@group(0) @binding(GATE) var<storage, read> gate: array<vec4f>; // [T, H · D]

fn gated(v: vec4f, i: u32) -> vec4f {
  let g = gate[i];
  return v * vec4f(sigmoid(g.x), sigmoid(g.y), sigmoid(g.z), sigmoid(g.w));
}
