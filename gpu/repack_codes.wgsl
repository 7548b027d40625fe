// BITS bits (1, 2, 4 or 8) of each code, from bit SHIFT on: BITS words a unit. A unit's codes make eight words of int8;
// word h of the plane holds words h, h + BITS, h + 2 · BITS … of these, each BITS to the left of the one before.
fn packed_word(w: u32) -> u32 {
  let unit = w / BITS;
  let mask = ((1u << BITS) - 1u) * 0x01010101u;
  var word = 0u;
  for (var j = w % BITS; j < 8u; j += BITS) {
    let codes = raw_code(unit, 4u * j) | (raw_code(unit, 4u * j + 1u) << 8u) | (raw_code(unit, 4u * j + 2u) << 16u) | (raw_code(unit, 4u * j + 3u) << 24u);
    word |= ((codes >> SHIFT) & mask) << (j - w % BITS);
  }
  return word;
}
