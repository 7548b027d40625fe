// Rows padded with zeros to whole units of 32.
@group(0) @binding(0) var<storage, read> quants: array<vec4<f32>>; // [rows, units, 8]

fn weight_init(lid: u32) {}

// Eight weights.
struct Octet {
  a: vec4<f32>,
  b: vec4<f32>,
}

fn weight_octet(octet: u32) -> Octet {
  return Octet(quants[2u * octet], quants[2u * octet + 1u]);
}

struct Unit {
  first: u32,
}

fn weight_unit(unit: u32) -> Unit {
  return Unit(8u * unit);
}

// Elements 4j…4j+3 of a unit.
fn unit_quad(u: Unit, j: u32) -> vec4<f32> {
  return quants[u.first + j];
}
