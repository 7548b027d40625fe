// Rows of ROW_HALVES 16-bit halves, padded with zeros to PADDED_HALVES.
fn padded_half(h: u32) -> u32 {
  let at = h % PADDED_HALVES;
  if (at >= ROW_HALVES) {
    return 0u;
  }
  return raw_half(2u * ((h / PADDED_HALVES) * ROW_HALVES + at));
}

fn packed_word(w: u32) -> u32 {
  return padded_half(2u * w) | (padded_half(2u * w + 1u) << 16u);
}
