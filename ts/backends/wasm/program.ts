import { kernels } from "../../../build/kernels.js";
import { BackendError } from "../../errors.ts";
import type { Step } from "../backend.ts";

/** Memory that a command reads or writes: addresses, end exclusive. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** One kernel call, to be split among the workers. */
export interface Command extends Step {
  /** By the kernel's argument names: addresses and scalars. */
  readonly args: Readonly<Record<string, number>>;
  /** The kernel's [begin, end) runs over [0, units). */
  readonly units: number;
  readonly reads: readonly Range[];
  readonly writes: readonly Range[];
  /** A unit touches its own share of every range, and nothing of the others'. */
  readonly rowwise?: boolean;
  /** Floating-point operations and bytes together: what decides whether it is worth a barrier. */
  readonly work: number;
  /** Units drawn at a time. Default: a quarter of a thread's share. */
  readonly grain?: number;
  /** At most so many of them. */
  readonly mostGrain?: number;
  /** The kernel must see all units in one call. */
  readonly whole?: boolean;
}

/** assembly/interpreter.ts fixes this layout. */
export const COMMAND_BYTES = 128;
const COMMAND_WORDS = COMMAND_BYTES / 4;
const HEADER_WORDS = 8;
const FLAG = { barrier: 1, single: 2, tickets: 4 };

/** Below this a command runs on worker 0: a barrier costs 0.1-0.15 µs of every thread, this much work about as long. */
const SINGLE_WORK = 8192;
/** From this on units are drawn by ticket, so that a core that another process slows does not hold up the rest. */
const TICKET_WORK = 400_000;
/** Tickets a thread draws in one command: enough to even out, few enough that a GEMM weaves its tokens for several panels at a time. */
const TICKETS_PER_THREAD = 4;

/** Writes commands as the words that the interpreter runs, with a barrier wherever one thread could see another's memory half done. */
export function encode(commands: readonly Command[], threads: number): Int32Array<ArrayBuffer> {
  const words = new Int32Array(commands.length * COMMAND_WORDS);
  const floats = new Float32Array(words.buffer);
  const open = new OpenRanges(threads);
  commands.forEach((command, i) => {
    const kernel = kernels[command.kernel];
    if (!kernel) throw new BackendError(`wasm: there is no kernel ${command.kernel}`);
    const single = command.whole || command.units === 1 || command.work < SINGLE_WORK;
    const tickets = !single && command.work >= TICKET_WORK;
    const user = { single, units: command.rowwise && !single && !tickets ? command.units : undefined };
    const barrier = open.conflicts(command, user);
    if (barrier) open.clear();
    open.add(command, user);
    const at = i * COMMAND_WORDS;
    words[at] = kernel.opcode;
    words[at + 1] = (barrier ? FLAG.barrier : 0) | (single ? FLAG.single : 0) | (tickets ? FLAG.tickets : 0);
    words[at + 2] = command.units;
    const share = Math.max(1, Math.floor(command.units / (threads * TICKETS_PER_THREAD)));
    words[at + 3] = command.grain ?? Math.min(share, command.mostGrain ?? share);
    kernel.args.forEach(({ name, type }, j) => {
      const value = command.args[name];
      if (value === undefined) throw new BackendError(`wasm: ${command.kernel} lacks its argument ${name}`);
      if (type === "f32") floats[at + HEADER_WORDS + j] = value;
      else words[at + HEADER_WORDS + j] = value;
    });
  });
  return words;
}

/** How threads share a command. */
interface User {
  /** Worker 0 does it alone. */
  readonly single: boolean;
  /** Of a rowwise command whose units threads share equally: each thread then has its own share of every range. */
  readonly units: number | undefined;
}

/** What has been touched since the last barrier, by whom. */
class OpenRanges {
  readonly #ranges: (Range & User & { write: boolean })[] = [];
  readonly #threads: number;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** Two commands conflict if they share memory that one of them writes, unless each thread meets there only what it has done itself. */
  conflicts(command: Command, user: User): boolean {
    const hit = (mine: Range, write: boolean) =>
      this.#ranges.some(
        (o) => (o.write || write) && o.begin < mine.end && mine.begin < o.end && !this.#sameThreads(o, { ...mine, ...user }),
      );
    return command.reads.some((range) => hit(range, false)) || command.writes.some((range) => hit(range, true));
  }

  add(command: Command, user: User): void {
    for (const range of command.reads) this.#ranges.push({ ...range, ...user, write: false });
    for (const range of command.writes) this.#ranges.push({ ...range, ...user, write: true });
  }

  clear(): void {
    this.#ranges.length = 0;
  }

  /** Whether worker 0 does both, or every thread's share of the range is the same in both. */
  #sameThreads(a: Range & User, b: Range & User): boolean {
    if (a.single && b.single) return true;
    if (!a.units || !b.units || a.begin !== b.begin || a.end !== b.end) return false;
    for (let thread = 1; thread < this.#threads; thread++) {
      const share = (units: number) => Math.floor((units * thread) / this.#threads);
      if (share(a.units) * b.units !== share(b.units) * a.units) return false;
    }
    return true;
  }
}
