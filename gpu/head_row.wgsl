// One head of D elements in fast memory: normalised and rotated there by norm_rope, encoded from there by cache_encode.
var<workgroup> row: array<f32, D>;
