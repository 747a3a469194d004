/** Runs processes whose steps wait for their turn, in one order after the other until every order was seen. */
export interface Process {
  /** What it does; `turn` is awaited before each of its steps. */
  run(turn: () => Promise<void>): Promise<unknown>;
}

interface Waiting {
  readonly process: number;
  readonly go: () => void;
}

/** Choices that were made: which of so many waiting processes went on. */
interface Choice {
  readonly picked: number;
  readonly of: number;
}

/** Calls `once` for every order; answers with their number. `most`: no more than that. */
export async function everyOrder(
  once: () => Promise<{ readonly processes: readonly Process[]; readonly check: (order: string) => Promise<void> }>,
  most: number,
): Promise<number> {
  let prefix: number[] = [];
  for (let orders = 1; ; orders++) {
    const { processes, check } = await once();
    const { choices, order } = await runInOrder(processes, prefix);
    await check(order);
    const next = nextPrefix(choices);
    if (next === undefined) return orders;
    if (orders >= most) throw new Error(`There are more than ${most} orders`);
    prefix = next;
  }
}

async function runInOrder(
  processes: readonly Process[],
  prefix: readonly number[],
): Promise<{ choices: readonly Choice[]; order: string }> {
  const waiting: Waiting[] = [];
  const choices: Choice[] = [];
  let unfinished = processes.length;
  let order = "";
  const proceed = (): void => {
    if (waiting.length < unfinished || waiting.length === 0) return;
    waiting.sort((a, b) => a.process - b.process);
    const picked = waiting.length === 1 ? 0 : (prefix[choices.length] ?? 0);
    if (waiting.length > 1) choices.push({ picked, of: waiting.length });
    const [next] = waiting.splice(picked, 1);
    order += String(next?.process ?? "");
    next?.go();
  };
  const turnOf = (process: number) => (): Promise<void> =>
    new Promise((go) => {
      waiting.push({ process, go });
      proceed();
    });
  await Promise.all(
    processes.map((process, index) =>
      process.run(turnOf(index)).finally(() => {
        unfinished--;
        proceed();
      }),
    ),
  );
  return { choices, order };
}

/** The last choice that can still be made otherwise, made so. */
function nextPrefix(choices: readonly Choice[]): number[] | undefined {
  for (let at = choices.length - 1; at >= 0; at--) {
    const choice = choices[at];
    if (choice !== undefined && choice.picked + 1 < choice.of)
      return [...choices.slice(0, at).map(({ picked }) => picked), choice.picked + 1];
  }
  return undefined;
}
