// GGUF type ids of the weight formats: what `format` arguments of kernels mean.
// @ts-ignore: decorator
@inline
export const F32: u32 = 0;
// @ts-ignore: decorator
@inline
export const F16: u32 = 1;
// @ts-ignore: decorator
@inline
export const Q4_0: u32 = 2;
// @ts-ignore: decorator
@inline
export const Q4_1: u32 = 3;
// @ts-ignore: decorator
@inline
export const Q5_0: u32 = 6;
// @ts-ignore: decorator
@inline
export const Q5_1: u32 = 7;
// @ts-ignore: decorator
@inline
export const Q8_0: u32 = 8;
// @ts-ignore: decorator
@inline
export const Q2_K: u32 = 10;
// @ts-ignore: decorator
@inline
export const Q3_K: u32 = 11;
// @ts-ignore: decorator
@inline
export const Q4_K: u32 = 12;
// @ts-ignore: decorator
@inline
export const Q5_K: u32 = 13;
// @ts-ignore: decorator
@inline
export const Q6_K: u32 = 14;
// @ts-ignore: decorator
@inline
export const IQ4_NL: u32 = 20;
// @ts-ignore: decorator
@inline
export const IQ4_XS: u32 = 23;
// @ts-ignore: decorator
@inline
export const BF16: u32 = 30;
// @ts-ignore: decorator
@inline
export const MXFP4: u32 = 39;
