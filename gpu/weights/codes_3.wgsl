// Three bits a weight: two as in codes_2; the third of element 4j + i is bit 8i + j of a word.
@group(0) @binding(0) var<storage, read> quants: array<vec2<u32>>; // [rows, units]
@group(0) @binding(1) var<storage, read> highs: array<u32>; // [rows, units]

fn weight_init(lid: u32) {}

fn low_bits(q: vec2<u32>, shifts: vec4<u32>) -> vec4<u32> {
  return (q.xyxy >> shifts) & vec4(0x03030303u);
}

fn third_bits(h: u32, shifts: vec4<u32>) -> vec4<u32> {
  return ((vec4(h) >> shifts) & vec4(0x01010101u)) << vec4(2u);
}

fn weight_codes(unit: u32) -> Codes {
  let q = quants[unit];
  let h = highs[unit];
  let a = low_bits(q, vec4(0u, 0u, 2u, 2u)) | third_bits(h, vec4(0u, 1u, 2u, 3u));
  let b = low_bits(q, vec4(4u, 4u, 6u, 6u)) | third_bits(h, vec4(4u, 5u, 6u, 7u));
  return Codes(a, b);
}
