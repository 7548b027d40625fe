import { dispatch } from "../build/dispatch";
import { barrier } from "./barrier";
import { now } from "./clock";

/**
 * A program is `count` commands of 128 bytes; every worker runs all of it, so a token crosses the JS border once, not once per op.
 *   [0] opcode  [4] flags  [8] units  [12] grain  [16] ticket  [32…] the kernel's arguments, 4 bytes each, in its own order
 * ts/backends/wasm/program.ts writes them.
 */
const COMMAND_BYTES: usize = 128;
const ARGUMENTS: usize = 32;
/** Wait for all workers before this command: it touches memory that others touched since the last barrier. */
const BARRIER = 1;
/** Worker 0 does all units: the op is smaller than a barrier is worth. */
const SINGLE = 2;
/** Workers draw `grain` units at a time from the ticket, instead of equal shares: for long ops on uneven cores. */
const TICKETS = 4;

/**
 * Where a run stands, at address `job` in shared memory:
 *   [0] sequence number of the job  [64] program  [68] count  [72] threads  [76] spin  [84] scratch  [88] scratch bytes
 *   [92] times, or 0  [128…] the barrier
 * Every bank has such a block. Threads wait at bank 0's sequence number; which bank to run is in bank 0's block too, for JavaScript to read
 * (ts/backends/wasm/threads.ts), as an instance of the kernels sees one memory only.
 * Times, where they are wanted, are f64[threads, count + 1, 2] milliseconds: when a thread reached a command, and when it began it,
 * after the barrier; the last row: when it was through, and (of worker 0 only: another's could come too late) when all were.
 */
const BARRIER_AT: usize = 128;
const TIMES_BYTES: usize = 16;

/** The program of this bank's block, by one of its threads: all must call it. Returns when all are through. */
export function run(job: usize, id: u32): void {
  const threads = load<u32>(job, 72);
  const spin = load<u32>(job, 76);
  const scratch = <usize>load<u32>(job, 84) + <usize>id * <usize>load<u32>(job, 88);
  let command = <usize>load<u32>(job, 64);
  const count = <usize>load<u32>(job, 68);
  const end = command + count * COMMAND_BYTES;
  const timed = load<u32>(job, 92) != 0;
  let times = <usize>load<u32>(job, 92) + <usize>id * (count + 1) * TIMES_BYTES;
  for (; command < end; command += COMMAND_BYTES) {
    const flags = load<u32>(command, 4);
    const units = load<u32>(command, 8);
    const reached = timed ? now() : 0;
    const waits = flags & BARRIER && threads > 1;
    if (waits) barrier(job + BARRIER_AT, threads, spin);
    if (timed) {
      store<f64>(times, reached);
      store<f64>(times, waits ? now() : reached, 8);
      times += TIMES_BYTES;
    }
    const opcode = load<u32>(command);
    if (flags & SINGLE || threads == 1) {
      if (id == 0) dispatch(opcode, command + ARGUMENTS, scratch, 0, units);
    } else if (flags & TICKETS) {
      const grain = load<u32>(command, 12);
      for (;;) {
        const begin = atomic.add<u32>(command, grain, 16);
        if (begin >= units) break;
        dispatch(opcode, command + ARGUMENTS, scratch, begin, min(units, begin + grain));
      }
    } else {
      const begin = <u32>((<u64>units * id) / threads);
      const stop = <u32>((<u64>units * (id + 1)) / threads);
      if (begin < stop) dispatch(opcode, command + ARGUMENTS, scratch, begin, stop);
    }
  }
  if (timed) store<f64>(times, now());
  if (threads > 1) barrier(job + BARRIER_AT, threads, spin);
  if (timed && id == 0) store<f64>(times, now(), 8);
}

/** Before a program is run: no units have been drawn. */
export function rewind(job: usize): void {
  const first = <usize>load<u32>(job, 64);
  const end = first + <usize>load<u32>(job, 68) * COMMAND_BYTES;
  for (let command = first; command < end; command += COMMAND_BYTES) store<u32>(command, 0, 16);
}

/** Calls the other threads. */
export function wake(job: usize): void {
  atomic.add<i32>(job, 1);
  atomic.notify(job, -1);
}

/** Spins, then sleeps, until the job's number moves on from `sequence`. Returns the new one. */
export function wait(job: usize, sequence: i32): i32 {
  let looks = load<u32>(job, 76);
  while (atomic.load<i32>(job) == sequence) {
    if (looks == 0) atomic.wait<i32>(job, sequence, -1);
    else looks--;
  }
  return atomic.load<i32>(job);
}
