const ADD = 0;
const SUB = 1;
const MUL = 2;

@inline
function combine4(kind: i32, x: v128, y: v128): v128 {
  if (kind == ADD) return f32x4.add(x, y);
  if (kind == SUB) return f32x4.sub(x, y);
  return f32x4.mul(x, y);
}

@inline
function combine1(kind: i32, x: f32, y: f32): f32 {
  if (kind == ADD) return x + y;
  if (kind == SUB) return x - y;
  return x * y;
}

/** Unit: one row of x, the index (a, b, c) of its three leading axes. y's row is that index modulo y's extents. */
@inline
function binary(kind: i32, out: usize, x: usize, y: usize, N1: u32, N2: u32, N3: u32, M0: u32, M1: u32, M2: u32, M3: u32, begin: u32, end: u32): void {
  const rowBytes = <usize>N3 << 2;
  const whole = rowBytes & ~15;
  for (let row = begin; row < end; row++) {
    const c = row % N2;
    const b = (row / N2) % N1;
    const a = row / (N2 * N1);
    const from = x + <usize>row * rowBytes;
    const to = out + <usize>row * rowBytes;
    const other = y + (<usize>((((a % M0) * M1 + (b % M1)) * M2 + (c % M2)) * M3) << 2);
    let i: usize = 0;
    if (M3 == N3) {
      for (; i < whole; i += 16) v128.store(to + i, combine4(kind, v128.load(from + i), v128.load(other + i)));
    } else if (M3 == 1) {
      const one = v128.load32_splat(other);
      for (; i < whole; i += 16) v128.store(to + i, combine4(kind, v128.load(from + i), one));
    }
    for (; i < rowBytes; i += 4) {
      const j = (i >> 2) % <usize>M3;
      store<f32>(to + i, combine1(kind, load<f32>(from + i), load<f32>(other + (j << 2))));
    }
  }
}

export function add(out: usize, x: usize, y: usize, N0: u32, N1: u32, N2: u32, N3: u32, M0: u32, M1: u32, M2: u32, M3: u32, begin: u32, end: u32): void {
  binary(ADD, out, x, y, N1, N2, N3, M0, M1, M2, M3, begin, end);
}

export function sub(out: usize, x: usize, y: usize, N0: u32, N1: u32, N2: u32, N3: u32, M0: u32, M1: u32, M2: u32, M3: u32, begin: u32, end: u32): void {
  binary(SUB, out, x, y, N1, N2, N3, M0, M1, M2, M3, begin, end);
}

export function mul(out: usize, x: usize, y: usize, N0: u32, N1: u32, N2: u32, N3: u32, M0: u32, M1: u32, M2: u32, M3: u32, begin: u32, end: u32): void {
  binary(MUL, out, x, y, N1, N2, N3, M0, M1, M2, M3, begin, end);
}
