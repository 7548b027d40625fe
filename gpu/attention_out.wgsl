// A workgroup saw all cells of its rows: the answer.
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>; // [T, H, D]

fn emit(head: u32, quad: u32, value: vec4f, top: f32, sum: f32, share: u32, shares_of_head: u32) {
  let i = head * QUADS + quad;
  out[i] = gated(value / sum, i);
}
