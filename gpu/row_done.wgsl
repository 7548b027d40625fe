/// Called when a workgroup has written elements [begin, begin + length) of out.
fn row_done(begin: u32, length: u32, lid: u32) {}
