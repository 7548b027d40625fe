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
    const sharing = { single, units: command.rowwise && !single && !tickets ? command.units : 0 };
    const barrier = open.conflicts(command, sharing);
    if (barrier) open.clear();
    open.add(command, sharing);
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
interface Sharing {
  /** Worker 0 does it alone. */
  readonly single: boolean;
  /** Of a rowwise command whose units threads share equally, how many: each thread then has its own share of every range. Else 0. */
  readonly units: number;
}

/** A range that a command reads or writes. */
interface Use {
  readonly range: Range;
  readonly write: boolean;
  readonly sharing: Sharing;
}

/** What has been touched since the last barrier, by whom. */
class OpenRanges {
  readonly #uses: Use[] = [];
  readonly #threads: number;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** Two commands conflict if they share memory that one of them writes, unless each thread meets there only what it has done itself. */
  conflicts({ reads, writes }: Command, sharing: Sharing): boolean {
    return this.#uses.some(
      (use) =>
        (use.write && reads.some((range) => this.#meets(use, range, sharing))) || writes.some((range) => this.#meets(use, range, sharing)),
    );
  }

  add({ reads, writes }: Command, sharing: Sharing): void {
    for (const range of reads) this.#uses.push({ range, write: false, sharing });
    for (const range of writes) this.#uses.push({ range, write: true, sharing });
  }

  clear(): void {
    this.#uses.length = 0;
  }

  #meets({ range: a, sharing }: Use, b: Range, other: Sharing): boolean {
    if (a.begin >= b.end || b.begin >= a.end) return false;
    return !(sharing.single && other.single) && !(a.begin === b.begin && a.end === b.end && this.#sameShares(sharing.units, other.units));
  }

  /** Whether every thread's share is the same of so many units as of so many others. */
  #sameShares(a: number, b: number): boolean {
    if (a === 0 || b === 0) return false;
    for (let thread = 1; thread < this.#threads; thread++) {
      const share = (units: number) => Math.floor((units * thread) / this.#threads);
      if (share(a) * b !== share(b) * a) return false;
    }
    return true;
  }
}
