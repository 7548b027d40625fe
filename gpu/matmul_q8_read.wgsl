// Activations in int8 that another dispatch has made (quantize_unit.wgsl).
@group(0) @binding(3) var<storage, read> xq: array<vec4<u32>>; // int8[T, units, 32]
@group(0) @binding(4) var<storage, read> x_meta: array<vec2<u32>>; // [T, units]: f32 scale, then the int16 sums of either half

fn activation(row: u32, u: u32) -> Activation {
  let unit = row * UNITS + u;
  return activation_of(xq[2u * unit], xq[2u * unit + 1u], x_meta[unit]);
}

// Nothing to make.
fn x_prepare(row: u32, lid: u32) {}
