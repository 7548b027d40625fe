// A unit of a quantised format as numbers.
struct Unit {
  codes: Codes,
  scale: vec4<f32>,
}

fn weight_unit(unit: u32) -> Unit {
  return Unit(weight_codes(unit), weight_scale(unit));
}

// Elements 4j…4j+3 of a unit.
fn unit_quad(u: Unit, j: u32) -> vec4<f32> {
  let word = select(u.codes.b[j & 3u], u.codes.a[j & 3u], j < 4u);
  let codes = (vec4(bitcast<i32>(word)) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
  let scale = select(u.scale.yw, u.scale.xz, j < 4u);
  return fma(vec4<f32>(codes - vec4(i32(ZERO))), vec4(scale.x), vec4(scale.y));
}
