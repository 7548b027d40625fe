// the upper halves of f32, two a word; rows padded with zeros to whole units of 32.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>; // bf16[rows, units, 4, 8]

fn weight_init(lid: u32) {}

fn four(pair: vec2<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
}

// Eight weights.
struct Octet {
  a: vec4<f32>,
  b: vec4<f32>,
}

fn weight_octet(octet: u32) -> Octet {
  let q = quants[octet];
  return Octet(four(q.xy), four(q.zw));
}

struct Unit {
  first: u32,
}

fn weight_unit(unit: u32) -> Unit {
  return Unit(4u * unit);
}

// Elements 4j…4j+3 of a unit.
fn unit_quad(u: Unit, j: u32) -> vec4<f32> {
  let q = quants[u.first + (j >> 1u)];
  return four(select(q.zw, q.xy, (j & 1u) == 0u));
}
