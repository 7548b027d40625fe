// A workgroup saw a share of the cells: unnormalised values, and what attention_join needs to weigh them.
@group(0) @binding(5) var<storage, read_write> shares: array<vec4f>; // [T, H, shares, D]
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>; // [T, H, shares]: maximum, sum

fn emit(head: u32, quad: u32, value: vec4f, top: f32, sum: f32, share: u32, shares_of_head: u32) {
  let i = head * shares_of_head + share;
  shares[i * QUADS + quad] = value;
  if (quad == 0) { stats[i] = vec2f(top, sum); }
}
