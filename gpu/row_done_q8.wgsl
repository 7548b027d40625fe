/// Called when a workgroup has written elements [begin, begin + length) of out: rounds them for the matmul that reads them next.
fn row_done(begin: u32, length: u32, lid: u32) {
  storageBarrier();
  for (var unit = lid; unit < length / 32; unit += WG) {
    var v: array<vec4f, 8>;
    for (var i = 0u; i < 8; i++) {
      let at = begin + unit * 32 + i * 4;
      v[i] = vec4f(out[at], out[at + 1], out[at + 2], out[at + 3]);
    }
    quantize_unit(begin / 32 + unit, v);
  }
}
