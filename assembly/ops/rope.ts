/** Unit: one head (t, h). x, out [T, H, D]; rotation [T, 2, P]: cosines, then sines. */
export function rope(out: usize, x: usize, rotation: usize, T: u32, H: u32, D: u32, P: u32, begin: u32, end: u32): void {
  const headBytes = <usize>D << 2;
  const half = <usize>P << 2;
  const whole = half & ~15;
  for (let unit = begin; unit < end; unit++) {
    const from = x + <usize>unit * headBytes;
    const to = out + <usize>unit * headBytes;
    const cos = rotation + <usize>(unit / H) * 2 * half;
    const sin = cos + half;
    for (let i: usize = 0; i < whole; i += 16) {
      const a = v128.load(from + i);
      const b = v128.load(from + half + i);
      const c = v128.load(cos + i);
      const s = v128.load(sin + i);
      v128.store(to + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
      v128.store(to + half + i, f32x4.add(f32x4.mul(a, s), f32x4.mul(b, c)));
    }
    for (let i = whole; i < half; i += 4) {
      const a = load<f32>(from + i);
      const b = load<f32>(from + half + i);
      const c = load<f32>(cos + i);
      const s = load<f32>(sin + i);
      store<f32>(to + i, a * c - b * s);
      store<f32>(to + half + i, a * s + b * c);
    }
    memory.copy(to + 2 * half, from + 2 * half, headBytes - 2 * half);
  }
}
