/// The queries of the same tokens, a workgroup a head.
fn rest(unit: u32, lid: u32) {
  query(unit, lid);
}
