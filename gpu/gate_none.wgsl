fn gated(v: vec4f, i: u32) -> vec4f { return v; }
