// Float formats: rows of w widened to f32, each a dot product with each token, two tokens at a time so that a row is loaded once for both.
// The order of additions is matvecFloat's: four sums of four lanes each, then the last K mod 16 products one by one.

import { fma4, hsum } from "../simd";

/** out0, out1 = w[K] · x0[K], x1[K] */
export function dotPair(w: usize, x0: usize, x1: usize, K: u32, out0: usize, out1: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  const end = w + (<usize>K << 2);
  for (const by16 = w + (<usize>(K & ~15) << 2); w < by16; w += 64) {
    let v = v128.load(w);
    a = fma4(v, v128.load(x0), a); e = fma4(v, v128.load(x1), e);
    v = v128.load(w, 16);
    b = fma4(v, v128.load(x0, 16), b); f = fma4(v, v128.load(x1, 16), f);
    v = v128.load(w, 32);
    c = fma4(v, v128.load(x0, 32), c); g = fma4(v, v128.load(x1, 32), g);
    v = v128.load(w, 48);
    d = fma4(v, v128.load(x0, 48), d); h = fma4(v, v128.load(x1, 48), h);
    x0 += 64; x1 += 64;
  }
  let sum0 = hsum(f32x4.add(f32x4.add(a, b), f32x4.add(c, d))), sum1 = hsum(f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  for (; w < end; w += 4) {
    sum0 += load<f32>(w) * load<f32>(x0);
    sum1 += load<f32>(w) * load<f32>(x1);
    x0 += 4; x1 += 4;
  }
  store<f32>(out0, sum0);
  store<f32>(out1, sum1);
}
