const SLOTS: u32 = U;

fn after_best(t: u32) {}
