/** Milliseconds on a clock that all threads share. */
// @ts-ignore: decorator
@external("env", "now")
export declare function now(): f64;
