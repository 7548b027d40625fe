// Five bits a weight: four as in codes_4; the fifth of element 4j + i is bit 8i + j of a word, so that a shift and a mask spread it.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>; // [rows, units]
@group(0) @binding(1) var<storage, read> highs: array<u32>; // [rows, units]

fn weight_init(lid: u32) {}

fn fifth_bits(h: u32, shifts: vec4<u32>) -> vec4<u32> {
  return ((vec4(h) >> shifts) & vec4(0x01010101u)) << vec4(4u);
}

fn weight_codes(unit: u32) -> Codes {
  let q = quants[unit];
  let h = highs[unit];
  let low = Codes(q & vec4(0x0f0f0f0fu), (q >> vec4(4u)) & vec4(0x0f0f0f0fu));
  return Codes(low.a | fifth_bits(h, vec4(0u, 1u, 2u, 3u)), low.b | fifth_bits(h, vec4(4u, 5u, 6u, 7u)));
}
