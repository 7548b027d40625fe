// out = rope(rms_norm(x) · norm): the head of a query.
@group(0) @binding(OUT) var<storage, read_write> out: array<f32>; // [T, H, D]
@group(0) @binding(X) var<storage, read> x: array<f32>; // [T, H, D]
@group(0) @binding(NORM) var<storage, read> norm: array<f32>; // [D]

fn query(head: u32, lid: u32) {
  if (head >= arrayLength(&x) / D) { return; }
  var squares = 0.0;
  for (var i = lid; i < D; i += WG) {
    let v = x[head * D + i];
    row[i] = v * norm[i];
    squares += v * v;
  }
  norm_rope(head / H, squares, lid);
  for (var i = lid; i < D; i += WG) { out[head * D + i] = row[i]; }
}
