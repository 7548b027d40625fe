// x f32[T, K] -> int8 with a scale and two sums a unit of 32. An invocation a unit.
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>; // [T, units, 8]
@group(0) @binding(1) var<storage, read_write> xq: array<vec4<u32>>; // int8[T, units, 32]
@group(0) @binding(2) var<storage, read_write> x_meta: array<vec2<u32>>; // [T, units]: f32 scale, then the int16 sums of either half

struct Sixteen {
  codes: vec4<u32>,
  sum: i32,
}

fn packed(v: vec4<i32>) -> u32 {
  let bytes = bitcast<vec4<u32>>(v) & vec4(255u);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

fn rounded(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>, inverse: f32) -> Sixteen {
  let p = vec4<i32>(round(a * inverse));
  let q = vec4<i32>(round(b * inverse));
  let r = vec4<i32>(round(c * inverse));
  let s = vec4<i32>(round(d * inverse));
  let sums = p + q + r + s;
  return Sixteen(vec4(packed(p), packed(q), packed(r), packed(s)), sums.x + sums.y + sums.z + sums.w);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let unit = id.x + id.y * groups.x * WORKGROUP;
  if (unit >= arrayLength(&x_meta)) {
    return;
  }
  var v: array<vec4<f32>, 8>;
  var largest = vec4(0.0);
  for (var i = 0u; i < 8u; i++) {
    v[i] = x[8u * unit + i];
    largest = max(largest, abs(v[i]));
  }
  let m = max(max(largest.x, largest.y), max(largest.z, largest.w));
  // Below 1e-30 the inverse could overflow: such a unit is zero.
  let inverse = select(0.0, 127.0 / m, m > 1e-30);
  let a = rounded(v[0], v[1], v[2], v[3], inverse);
  let b = rounded(v[4], v[5], v[6], v[7], inverse);
  xq[2u * unit] = a.codes;
  xq[2u * unit + 1u] = b.codes;
  x_meta[unit] = vec2(bitcast<u32>(m / 127.0), (bitcast<u32>(a.sum) & 0xffffu) | (bitcast<u32>(b.sum) << 16u));
}
