fn emit(i: u32, v: f32, mine: bool, lid: u32) {
  if (mine) { out[i] = v; }
}
