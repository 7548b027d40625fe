// Eight bits a weight, as they are.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>; // [rows, units, 2]

fn weight_init(lid: u32) {}

fn weight_codes(unit: u32) -> Codes {
  return Codes(quants[2u * unit], quants[2u * unit + 1u]);
}
