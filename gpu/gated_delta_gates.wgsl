// The curves of the delta net's gates, precise: a decay is multiplied by the next for thousands of tokens.

/// e^x to 1e-7: WGSL grants exp an error of 3 + 2 |x| units, and a decay is taken to the power of the tokens.
fn precise_exp(x: f32) -> f32 {
  let n = round(clamp(x, -87.0, 88.0) * 1.44269504);
  let r = (clamp(x, -87.0, 88.0) - n * 0.693359375) + n * 2.12194440e-4; // ln 2 in two parts (Cephes): the first times n is exact
  let series = 1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0)))));
  return ldexp(1.0 + r * series, i32(n));
}

/// log(1 + e^x), as precise: WGSL's log is wrong by 2^-21 near 1.
fn softplus(x: f32) -> f32 {
  let e = precise_exp(-abs(x));
  let z = e / (2.0 + e); // log(1 + e) = 2 artanh(e / (2 + e)), z <= 1/3
  let s = z * z;
  let series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0 + s * (1.0 / 11.0 + s / 13.0)))));
  return max(x, 0.0) + 2.0 * z * series;
}
