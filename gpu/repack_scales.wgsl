// The scales of a quantised format, as its reader in gpu/weights/scale_….wgsl wants them.
fn packed_word(w: u32) -> u32 {
  return raw_scales(w);
}
