/// Nothing beside the cache.
fn rest(unit: u32, lid: u32) {}
