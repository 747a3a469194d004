/** `kubelambda top` of two routers, as a user runs it. */
import assert from "node:assert/strict";
import { accountIdOf } from "../../crds/names.ts";
import { topAnswerSchema, type TopAnswer, type TopRow } from "../../crds/wire/top.ts";
import { routes } from "../../crds/wire/routes.ts";
import { runTop, type Screen } from "../../operator/cli/top.ts";
import type { RunningRouter } from "../../runtime-proxy/router.ts";
import { RouterWorld } from "../kit/router-world.ts";

class Recorder implements Screen {
  readonly #end = new AbortController();
  readonly ending = this.#end.signal;
  text = "";
  notes = "";
  /** Ends after so many pictures. */
  pictures = 0;
  readonly #terminal: ReturnType<Screen["size"]>;

  constructor(terminal?: { readonly rows: number; readonly columns: number; readonly pictures: number }) {
    this.#terminal = terminal;
    this.pictures = terminal?.pictures ?? 0;
  }
  size(): ReturnType<Screen["size"]> {
    return this.#terminal;
  }
  write(text: string): void {
    this.text += text;
    if (text.includes("FUNCTION") || text.includes("Trying again")) this.pictures -= 1;
    if (this.#terminal !== undefined && this.pictures === 0) this.#end.abort();
  }
  note(text: string): void {
    this.notes += text;
  }
}

describe("kubelambda top", () => {
  let world: RouterWorld;
  let routers: RunningRouter[];
  const held = Promise.withResolvers<undefined>();
  const calls: Promise<unknown>[] = [];

  before(async () => {
    world = new RouterWorld();
    const top = { KUBELAMBDA_TOP_PORT: 0, KUBELAMBDA_ENVIRONMENT_WAIT_MS: 20_000 };
    routers = [await world.startRouter(top), await world.startRouter(top)];
    const pay = await world.addFunction({ name: "pay" });
    const agents = [await world.addEnvironment(pay), await world.addEnvironment(pay)];
    await world.addFunction({ name: "off", namespace: "team", spec: { reservedConcurrentExecutions: 0 } });
    await world.addFunction({ name: "cold" });
    for (const agent of agents)
      agent.script = async () => {
        await held.promise;
        return { body: "1" };
      };
    calls.push(world.invoke("pay"));
    const none = world.invoke("cold").catch(() => undefined);
    calls.push(none);
    await until(({ pay: row, cold }) => row?.busy === 1 && cold?.waiting === 1);
  });
  after(async () => {
    held.resolve(undefined);
    await Promise.all(calls.slice(0, 1));
    await world.close();
    await Promise.allSettled(calls);
  });

  const urlOf = (number: number): string => `http://127.0.0.1:${routers[number]?.topPort}`;

  async function until(isSo: (rows: Readonly<Record<string, TopRow | undefined>>) => boolean): Promise<void> {
    for (let look = 0; look < 500; look += 1) {
      const { functions } = topAnswerSchema.parse(await (await fetch(`${urlOf(0)}${routes.top}`)).json());
      if (isSo(Object.fromEntries(functions.map((row) => [row.function, row])))) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail("the table does not show it");
  }

  async function top(...args: readonly string[]): Promise<Recorder> {
    const screen = new Recorder();
    assert.equal(await runTop(["--local", "--url", urlOf(0), ...args], {}, screen), 0, screen.notes);
    return screen;
  }

  it("is a table, once where nobody watches: what is ready, busy and waited for", async () => {
    const { text, notes } = await top("-n", "default");
    const lines = text.split("\n").map((line) => line.trim().split(/ {3,}/));
    assert.deepEqual(lines[0]?.slice(0, 5), ["FUNCTION", "READY", "BUSY", "STARTING", "WAITING"]);
    assert.deepEqual(lines[1]?.slice(0, 5), ["pay", "1", "1", "0", "0"]);
    assert.deepEqual(lines[2]?.slice(0, 5), ["cold", "0", "0", "0", "1"]);
    assert.equal(notes, "");
  });

  it("is the same whichever router answers, and counts what each of them has carried", async () => {
    const path = `/2015-03-31/functions/${accountIdOf("team")}:function:off/invocations`;
    for (const router of routers) await world.call(path, { router });
    const answers: TopAnswer[] = [];
    for (const number of [0, 1])
      answers.push(topAnswerSchema.parse(await (await fetch(`${urlOf(number)}${routes.top}`)).json()));
    assert.deepEqual(answers[0], answers[1]);
    const off = answers[0]?.functions.find((row) => row.function === "off");
    assert.deepEqual([off?.namespace, off?.throttled, off?.calls, off?.reserved], ["team", 2, 0, 0]);
  });

  it("is JSON for programs", async () => {
    const answer = topAnswerSchema.parse(JSON.parse((await top("--json", "--sort", "name", "-A")).text));
    assert.deepEqual(
      answer.functions.map(({ namespace, function: name }) => `${namespace}/${name}`),
      ["default/cold", "default/pay", "team/off"],
    );
  });

  it("is drawn again and again in a terminal, as large as that is, until the user ends it", async () => {
    const screen = new Recorder({ rows: 7, columns: 40, pictures: 2 });
    const args = ["--local", "--url", urlOf(0), "-A", "--interval", "0.5"];
    assert.equal(await runTop(args, {}, screen), 0);
    const pictures = screen.text.split("\u001b[H\u001b[J").slice(1);
    assert.equal(pictures.length, 2);
    assert.match(pictures[1] ?? "", /^NAMESPACE +FUNCTION .*\ndefault +pay .*\n.*\n… and 1 more\n/);
    assert.ok(pictures.every((picture) => picture.split("\n").every((line) => line.length <= 40)));
    assert.ok(screen.text.endsWith("\u001b[?25h"));
  });

  it("says what is wrong with arguments, and where nobody answers", async () => {
    for (const [args, said] of [
      [["--sort", "colour"], /Cannot sort by "colour": want one of busy, name/],
      [["-n", "a", "-A"], /want -n or -A/],
      [["--interval", "0"], /want 0.5 to 3600/],
      [["--nonsense"], /usage: kubelambda top/],
    ] as const) {
      const screen = new Recorder();
      assert.equal(await runTop(args, {}, screen), 2);
      assert.match(screen.notes, said);
    }
    const screen = new Recorder();
    assert.equal(await runTop(["--local", "--url", "http://127.0.0.1:9"], {}, screen), 1);
    assert.match(screen.notes, /^Cannot show functions: .*ECONNREFUSED/);
    const wrong = await fetch(`${urlOf(0)}${routes.top}?namespace=No%20Such`);
    assert.deepEqual([wrong.status, (await fetch(`${urlOf(0)}/metrics`)).status], [400, 404]);
  });

  it("routers tell each other alone what they know: the internal port wants a router's proof", async () => {
    const answer = await fetch(`http://127.0.0.1:${routers[1]?.internalPort}${routes.top}`);
    assert.equal(answer.status, 401);
  });

  it("names a router that does not answer", async () => {
    await routers[1]?.stop(0);
    assert.match((await top()).notes, /^One router does not answer: what it knows is missing \(router-1\)/);
  });
});
