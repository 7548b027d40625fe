// Four bits a weight: word j of a unit has elements 4j…4j+3 in its low nibbles, 16+4j… in its high ones.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>; // [rows, units]

fn weight_init(lid: u32) {}

fn weight_codes(unit: u32) -> Codes {
  let q = quants[unit];
  return Codes(q & vec4(0x0f0f0f0fu), (q >> vec4(4u)) & vec4(0x0f0f0f0fu));
}
