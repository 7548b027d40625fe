/// Called when a workgroup has written elements [begin, begin + length) of out: rounds them for the matmul that reads them next.
fn row_done(begin: u32, length: u32, lid: u32) {
  storageBarrier();
  for (var first = 0u; first < ROW_UNITS; first += WG) { // of a constant: block_largest has barriers
    let unit = first + lid;
    let live = unit < ROW_UNITS;
    var v: array<vec4f, 8>;
    if (live) {
      for (var i = 0u; i < 8; i++) {
        let at = begin + unit * 32 + i * 4;
        v[i] = vec4f(out[at], out[at + 1], out[at + 2], out[at + 3]);
      }
    }
    let largest = block_largest(v, lid);
    if (live) { quantize_unit(begin / 32 + unit, v, largest); }
  }
}
