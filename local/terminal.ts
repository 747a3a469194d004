/** What local mode shows: the table of functions, notes, and the output of functions line by line. */

export interface TableRow {
  readonly name: string;
  readonly runtime: string;
  /** "0.4 s", or why it is not ready. */
  readonly ready: string;
  /** The Invoke API's, then its function URL; or why it has none. */
  readonly urls: readonly string[];
}

export interface TerminalOptions {
  readonly write: (text: string) => void;
  readonly color: boolean;
}

const headings: TableRow = { name: "FUNCTION", runtime: "RUNTIME", ready: "READY", urls: ["URL"] };

export class Terminal {
  readonly #options: TerminalOptions;
  #widths = { name: 0, runtime: 0, ready: 0 };

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  /** A line about the system itself. */
  note(text: string): void {
    this.#line(this.#dim(text));
  }

  /** A line about a manifest that cannot be used. */
  problem(where: string, message: string): void {
    this.#line(`${where}: ${message}`);
  }

  output(functionName: string, line: string): void {
    this.#line(`${this.#dim(`${functionName} |`)} ${line}`);
  }

  /** The first table has its headings; later rows keep to its columns. */
  table(rows: readonly TableRow[]): void {
    const isFirst = this.#widths.name === 0;
    const shown = isFirst ? [headings, ...rows] : rows;
    for (const column of ["name", "runtime", "ready"] as const) {
      this.#widths[column] = Math.max(this.#widths[column], ...shown.map((row) => row[column].length));
    }
    for (const row of shown) {
      const { name, runtime, ready } = this.#widths;
      const start = `${row.name.padEnd(name)}   ${row.runtime.padEnd(runtime)}   ${row.ready.padEnd(ready)}   `;
      const [first = "", ...others] = row.urls;
      for (const line of [`${start}${first}`, ...others.map((url) => `${" ".repeat(start.length)}${url}`)])
        this.#line(line.trimEnd());
    }
  }

  #line(text: string): void {
    this.#options.write(`${text}\n`);
  }

  #dim(text: string): string {
    return this.#options.color ? `\u001b[2m${text}\u001b[22m` : text;
  }
}
