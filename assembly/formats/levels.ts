// The sixteen int8 levels of IQ4_NL and IQ4_XS: an i8x16.swizzle looks sixteen codes up at once.
// @ts-ignore: decorator
@inline
export function iq4Levels(): v128 {
  return i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}
