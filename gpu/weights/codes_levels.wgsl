// Four bits a weight, laid out as in codes_4, that choose one of sixteen int8 levels (constants LEVELS_0…3, four a word).
// A byte holds two codes: a table of all 256 answers both at once, four look-ups for eight weights.
@group(0) @binding(0) var<storage, read> quants: array<vec4<u32>>; // [rows, units]

// Low nibble's level in byte 0, high nibble's in byte 2.
var<workgroup> level_pairs: array<u32, 256>;

fn level(code: u32) -> u32 {
  let word = array(LEVELS_0, LEVELS_1, LEVELS_2, LEVELS_3)[code >> 2u];
  return (word >> (8u * (code & 3u))) & 255u;
}

fn weight_init(lid: u32) {
  for (var i = lid; i < 256u; i += WORKGROUP) {
    level_pairs[i] = level(i & 15u) | (level(i >> 4u) << 16u);
  }
  workgroupBarrier();
}

// Word j and word j + 4 of a unit.
fn level_words(q: u32) -> vec2<u32> {
  let first = level_pairs[q & 255u] | (level_pairs[(q >> 8u) & 255u] << 8u); // bytes: low 0, low 1, high 0, high 1
  let second = level_pairs[(q >> 16u) & 255u] | (level_pairs[q >> 24u] << 8u);
  return vec2((first & 0xffffu) | (second << 16u), (first >> 16u) | (second & 0xffff0000u));
}

fn weight_codes(unit: u32) -> Codes {
  let q = quants[unit];
  let x = level_words(q.x);
  let y = level_words(q.y);
  let z = level_words(q.z);
  let w = level_words(q.w);
  return Codes(vec4(x.x, y.x, z.x, w.x), vec4(x.y, y.y, z.y, w.y));
}
