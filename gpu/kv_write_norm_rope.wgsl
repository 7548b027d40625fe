// Keys straight from their projection: the per-head norm and the rotation happen on the way to the cache.
@group(0) @binding(6) var<storage, read> key_norm: array<f32>; // [D]
@group(0) @binding(7) var<storage, read> rotation: array<f32>; // [T, 2, P]

fn transform(t: u32, squares: f32, lid: u32) {
  for (var i = lid; i < D; i += WG) { row[i] *= key_norm[i]; } // those that it has written itself
  norm_rope(t, squares, lid);
}
