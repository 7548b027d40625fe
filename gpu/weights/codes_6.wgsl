// Six bits a weight: four as in codes_4; the upper two of element 4j + i are bits 8i + 2(j / 2) of the first word (j even) or the second.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>; // [rows, units]
@group(0) @binding(1) var<storage, read> highs: array<vec2<u32>>; // [rows, units]

fn weight_init(lid: u32) {}

fn upper_bits(h: vec2<u32>, shifts: vec4<u32>) -> vec4<u32> {
  return ((h.xyxy >> shifts) & vec4(0x03030303u)) << vec4(4u);
}

fn weight_codes(unit: u32) -> Codes {
  let q = quants[unit];
  let h = highs[unit];
  let low = Codes(q & vec4(0x0f0f0f0fu), (q >> vec4(4u)) & vec4(0x0f0f0f0fu));
  return Codes(low.a | upper_bits(h, vec4(0u, 0u, 2u, 2u)), low.b | upper_bits(h, vec4(4u, 4u, 6u, 6u)));
}
