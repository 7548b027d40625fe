/// Tokens of this run: as many as `rows` has.
fn T() -> u32 {
  return arrayLength(&rows);
}
