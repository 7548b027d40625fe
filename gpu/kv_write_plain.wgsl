/// Keys that come normalised and rotated.
fn transform(t: u32, squares: f32, lid: u32) {}
