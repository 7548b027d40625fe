// The unit of every quantised format here is 32 weights of a row. Its codes, one int8 each, as eight words: a holds elements 0…15, b 16…31.
// A weight is scale · (code - ZERO) + offset; ZERO is a constant of the format.
struct Codes {
  a: vec4<u32>,
  b: vec4<u32>,
}
