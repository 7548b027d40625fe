import { Environment, Interpreter, Template } from "@huggingface/jinja";

type Program = Template["parsed"];
type Evaluate = Interpreter["evaluate"];
type Node = Parameters<Evaluate>[0];

/** Jinja failed while rendering. `place` is the innermost piece of the template that was being evaluated, undefined where none is known. */
export class JinjaError extends Error {
  readonly place: string | undefined;
  /** Whether the template itself refused its input, through raise_exception. */
  readonly raised: boolean;
  constructor(message: string, place: string | undefined, raised: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = "JinjaError";
    this.place = place;
    this.raised = raised;
  }
}

class Raised extends Error {}

/** The library's interpreter, remembering where an error began: its own errors carry no position. */
class TracingInterpreter extends Interpreter {
  readonly places = new WeakMap<object, NonNullable<Node>>();

  override evaluate(...[node, environment]: Parameters<Evaluate>): ReturnType<Evaluate> {
    try {
      return super.evaluate(node, environment);
    } catch (error) {
      // The innermost node is the first to see the error.
      if (node && error instanceof Error && !this.places.has(error)) this.places.set(error, node);
      throw error;
    }
  }
}

/** Reads a template's text; whitespace around blocks is trimmed as chat templates expect. @throws SyntaxError or Error of the parser. */
export function parseJinja(source: string): Program {
  return new Template(source).parsed;
}

/**
 * Renders with `variables` and the globals that chat templates use: range, namespace, raise_exception, strftime_now (`now` in local time).
 * @throws JinjaError
 */
export function renderJinja(program: Program, variables: Record<string, unknown>, now: Date): string {
  const environment = new Environment();
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    strftime_now: (format: unknown) => strftime(now, String(format)),
    raise_exception: (message: unknown) => {
      throw new Raised(String(message));
    },
  };
  const named = new Map<string, unknown>([...Object.entries(globals), ...Object.entries(variables)]);
  const interpreter = new TracingInterpreter(environment);
  try {
    for (const [name, value] of named) {
      // The library refuses to declare a name twice, and declares namespace itself.
      environment.variables.delete(name);
      environment.set(name, value);
    }
    return String(interpreter.run(program).value);
  } catch (error) {
    const cause = error instanceof Error ? error : new Error(String(error));
    const node = interpreter.places.get(cause);
    throw new JinjaError(cause.message, node && firstLine(node), cause instanceof Raised, { cause });
  }
}

/** The first line of a node written as template text, without its delimiters. */
function firstLine(node: NonNullable<Node>): string | undefined {
  try {
    const text = Template.prototype.format.call({ parsed: { type: "Program", body: [node] } });
    const line = text.split("\n", 1)[0] ?? "";
    return line.replace(/^\{\{- | -\}\}$/g, "").slice(0, 160);
  } catch {
    // Nodes that are no statement or expression of their own (a bare slice) have no text.
    return undefined;
  }
}

// A template that counts further than this runs away; conversations have thousands of messages, not millions.
const RANGE_LIMIT = 1_000_000;

function range(first: unknown, last?: unknown, step: unknown = 1): number[] {
  const [start, stop, by] = last === undefined ? [0, Number(first), Number(step)] : [Number(first), Number(last), Number(step)];
  const length = Math.max(0, Math.ceil((stop - start) / by));
  if (!(length <= RANGE_LIMIT)) throw new Error(`range(${start}, ${stop}, ${by}) does not end within ${RANGE_LIMIT} numbers`);
  return Array.from({ length }, (_, i) => start + i * by);
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** The directives of C's strftime that chat templates use, in English, so that a prompt does not depend on the machine's language. */
function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = DAYS[date.getDay()]!;
  const month = MONTHS[date.getMonth()]!;
  const [year, hours] = [date.getFullYear(), date.getHours()];
  const fields: Record<string, string> = {
    Y: String(year),
    y: two(year % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    e: String(date.getDate()).padStart(2),
    H: two(hours),
    I: two(hours % 12 || 12),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: hours < 12 ? "AM" : "PM",
    A: day,
    a: day.slice(0, 3),
    B: month,
    b: month.slice(0, 3),
    "%": "%",
  };
  const expanded = format.replaceAll("%F", "%Y-%m-%d").replaceAll("%T", "%H:%M:%S");
  return expanded.replace(/%(.)/g, (directive, letter: string) => fields[letter] ?? directive);
}
