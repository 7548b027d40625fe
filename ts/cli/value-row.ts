/**
 * Values that are printed one after the other on one line, as they come. Where a progress bar shares the screen, a line is printed
 * only when it is full, and `pending` is what the bar keeps above itself until then.
 */
export class ValueRow {
  readonly #columns: number | undefined;
  readonly #print: (text: string) => void;
  #row = "";

  /** @param columns Of the shared screen; undefined where values are printed at once. */
  constructor(columns: number | undefined, print: (text: string) => void) {
    this.#columns = columns;
    this.#print = print;
  }

  get pending(): string | undefined {
    return this.#columns === undefined || this.#row === "" ? undefined : this.#row;
  }

  add(value: string): void {
    if (this.#columns === undefined) this.#print(value);
    else if (this.#row.length + value.length >= this.#columns) {
      this.#print(`${this.#row}\n`);
      this.#row = "";
    }
    this.#row += value;
  }

  /** Ends the line, if there is one. */
  end(): void {
    if (this.#row === "") return;
    this.#print(this.#columns === undefined ? "\n" : `${this.#row}\n`);
    this.#row = "";
  }
}
