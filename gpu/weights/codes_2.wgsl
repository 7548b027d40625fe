// Two bits a weight: those of element 4j + i are bits 8i + 2(j / 2) of the first word (j even) or the second.
@group(0) @binding(0) var<storage, read> quants: array<vec2<u32>>; // [rows, units]

fn weight_init(lid: u32) {}

fn weight_codes(unit: u32) -> Codes {
  let q = quants[unit].xyxy;
  return Codes((q >> vec4(0u, 0u, 2u, 2u)) & vec4(0x03030303u), (q >> vec4(4u, 4u, 6u, 6u)) & vec4(0x03030303u));
}
