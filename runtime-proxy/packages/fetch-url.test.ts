import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startScriptedServer, type ScriptedServer } from "../../test/kit/scripted-server.ts";
import { createAddressRules } from "./address-rules.ts";
import { createUrlFetcher, type UrlFetcherOptions } from "./fetch-url.ts";
import { PackageError } from "./package-error.ts";
import { StagedFile } from "./staged-file.ts";

const content = Buffer.from("content of a package ".repeat(20_000));
const sha256 = createHash("sha256").update(content).digest("hex");

const whole: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-length": content.length, etag: '"v1"' });
  response.end(content);
};
const rest: RequestListener = (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]);
  response.writeHead(206, { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` });
  response.end(content.subarray(from));
};
const readWithinMs = 500;
const brokenOff =
  (etag = '"v1"'): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { "content-length": content.length, etag });
    // A client that hears of the break before it has read drops what it was sent: it gets the time to read on a busy machine.
    response.write(content.subarray(0, 100_000), () => setTimeout(() => response.destroy(), readWithinMs));
  };
const status =
  (code: number): RequestListener =>
  (_request, response) =>
    void response.writeHead(code).end("no");
const redirect =
  (location: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(302, { location }).end();
const silent: RequestListener = () => undefined;

describe("fetching a url", () => {
  let directory: string;
  let into: StagedFile;
  let server: ScriptedServer | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fetch-url-"));
    into = await StagedFile.create(join(directory, "staged"));
  });
  afterEach(async () => {
    await server?.stop();
    server = undefined;
    await into.discard();
    await rm(directory, { recursive: true });
  });

  async function serve(...steps: readonly RequestListener[]): Promise<string> {
    server = await startScriptedServer(...steps);
    return server.url;
  }

  async function fetchUrl(url: string, options: Partial<UrlFetcherOptions> = {}): Promise<void> {
    const rules = createAddressRules({ allowedCIDRs: ["127.0.0.1"], deniedCIDRs: [] });
    await createUrlFetcher({ rules, firstWaitMs: 1, ...options })({ url, sha256, into });
  }

  async function refusalOf(url: string, options: Partial<UrlFetcherOptions> = {}): Promise<PackageError> {
    const error: unknown = await fetchUrl(url, options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PackageError, `want a PackageError, got ${String(error)}`);
    return error;
  }

  async function requireContent(): Promise<void> {
    assert.equal(into.digest(), `sha256:${sha256}`);
    assert.deepEqual(await readFile(into.path), content);
  }

  it("stages the content", async () => {
    await fetchUrl(await serve(whole));
    await requireContent();
  });

  const recoveries: Record<string, { steps: readonly RequestListener[]; ranges: readonly (string | undefined)[] }> = {
    "goes on where the connection broke": { steps: [brokenOff(), rest], ranges: [undefined, "bytes=100000-"] },
    "goes on again and again": {
      steps: [brokenOff(), status(503), rest],
      ranges: [undefined, "bytes=100000-", "bytes=100000-"],
    },
    "starts again when the content has changed": { steps: [brokenOff(), whole], ranges: [undefined, "bytes=100000-"] },
    "starts again when only a weak tag vouches for it": {
      steps: [brokenOff('W/"v1"'), whole],
      ranges: [undefined, undefined],
    },
    "starts again when the range is refused": {
      steps: [brokenOff(), status(416), whole],
      ranges: [undefined, "bytes=100000-", undefined],
    },
    "starts again when another range comes": {
      steps: [brokenOff(), (_q, r) => void r.writeHead(206, { "content-range": "bytes 5-9/10" }).end("56789"), whole],
      ranges: [undefined, "bytes=100000-", undefined],
    },
    "tries again when the server is not there yet": {
      steps: [status(404), status(500), whole],
      ranges: [undefined, undefined, undefined],
    },
  };
  for (const [what, { steps, ranges }] of Object.entries(recoveries)) {
    it(what, async () => {
      await fetchUrl(await serve(...steps));
      await requireContent();
      assert.deepEqual(
        server?.requests.map(({ headers }) => headers.range),
        ranges,
      );
    });
  }

  it("gives up after its tries, and says what the server said", async () => {
    const error = await refusalOf(`${await serve(status(404))}/code.zip`, { tries: 3 });
    assert.equal(error.code, "SourceUnreachable");
    assert.match(error.message, /^Cannot fetch "http:\/\/127\.0\.0\.1:\d+\/code\.zip": it answered 404$/);
    assert.equal(server?.requests.length, 3);
  });

  it("gives up on a silent server", async () => {
    const error = await refusalOf(await serve(silent), { silenceMs: 50, tries: 2 });
    assert.equal(error.code, "SourceUnreachable");
    assert.match(error.message, /connection failed \(UND_ERR_HEADERS_TIMEOUT\)/);
  });

  it("gives up at its deadline, whatever tries are left", async () => {
    const error = await refusalOf(await serve(silent), { deadlineMs: 50, tries: 1000 });
    assert.equal(error.code, "SourceUnreachable");
    assert.match(error.message, /not complete within 50 ms/);
  });

  it("says that nobody listens", async () => {
    const url = await serve(whole);
    await server?.stop();
    assert.match((await refusalOf(url, { tries: 1 })).message, /connection failed \(ECONNREFUSED\)/);
  });

  it("refuses content with another digest without a second try", async () => {
    const url = await serve((_request, response) => void response.end("other"));
    const error = await refusalOf(`${url}/a.zip`);
    assert.equal(error.code, "DigestMismatch");
    assert.match(
      error.message,
      new RegExp(`its sha256 is ${createHash("sha256").update("other").digest("hex")}, want ${sha256}`),
    );
    assert.equal(server?.requests.length, 1);
  });

  const tooLong: Record<string, RequestListener> = {
    "a length that is too long, before its content": (_request, response) => {
      response.writeHead(200, { "content-length": 1_000_001 });
      response.flushHeaders();
    },
    "content that is too long without a length": (_request, response) => {
      response.writeHead(200);
      response.end(Buffer.alloc(1_000_001));
    },
  };
  for (const [what, step] of Object.entries(tooLong)) {
    it(`refuses ${what}`, async () => {
      const error = await refusalOf(await serve(step), { limitBytes: 1_000_000 });
      assert.equal(error.code, "CodeTooLarge");
      assert.match(error.message, /longer than 1000000 bytes/);
      assert.ok(into.bytes <= 1_000_000);
    });
  }

  it("follows redirects, sends credentials to their own origin only and shows none", async () => {
    const target = await startScriptedServer(whole);
    const url = await serve(redirect("/next?token=secret"), redirect(`${target.url}/code.zip`));
    await fetchUrl(url.replace("http://", "http://user:p%40ss@"));
    await requireContent();
    const basic = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    assert.deepEqual(
      server?.requests.map(({ headers }) => headers.authorization),
      [basic, basic],
    );
    assert.deepEqual(
      target.requests.map(({ headers }) => headers.authorization),
      [undefined],
    );
    await target.stop();
    const error = await refusalOf(`${url.replace("http://", "http://user:p%40ss@")}/x?token=secret#secret`, {
      tries: 1,
    });
    assert.doesNotMatch(error.message, /p%40ss|p@ss|user|secret/);
  });

  it("follows no more than five redirects", async () => {
    const error = await refusalOf(await serve(redirect("/again")));
    assert.equal(error.code, "SourceRefused");
    assert.match(error.message, /more than 5 redirects/);
    assert.equal(server?.requests.length, 6);
  });

  const refused: Record<string, { url: string; want: RegExp }> = {
    "another scheme": { url: "file:///etc/passwd", want: /"file:…": only http and https/ },
    "what is no url": { url: "http://", want: /malformed/ },
    loopback: { url: "http://127.0.0.2/", want: /"127\.0\.0\.2".*a loopback address.*"packages\.urls\.allowedCIDRs"/ },
    "loopback in another spelling": { url: "http://0x7f.2/", want: /"127\.0\.0\.2".*loopback/ },
    "loopback as a number": { url: "http://2130706434/", want: /"127\.0\.0\.2".*loopback/ },
    "loopback by IPv6": { url: "http://[::1]/", want: /"::1".*loopback/ },
    "loopback by mapped IPv6": { url: "http://[::ffff:127.0.0.2]/", want: /loopback/ },
    "metadata of a cloud": { url: "http://169.254.169.254/latest", want: /link-local/ },
    "a name that stands for loopback": {
      url: "http://localhost:1/",
      want: /"localhost" \((127\.0\.0\.1|::1)\).*loopback/,
    },
  };
  for (const [what, { url, want }] of Object.entries(refused)) {
    it(`refuses ${what}, without a try`, async () => {
      const error = await refusalOf(url, { rules: createAddressRules({ allowedCIDRs: [], deniedCIDRs: [] }) });
      assert.equal(error.code, "SourceRefused");
      assert.match(error.message, want);
    });
  }

  it("refuses a redirect to what it refuses", async () => {
    const error = await refusalOf(await serve(redirect("http://169.254.169.254/latest/meta-data")));
    assert.equal(error.code, "SourceRefused");
    assert.match(error.message, /"169\.254\.169\.254".*link-local/);
  });

  it("connects to the very address that it judged, though the name changes at once", async () => {
    const url = new URL(await serve(whole));
    const answers = ["127.0.0.1", "127.0.0.2"];
    let asked = 0;
    const resolveHost = () => Promise.resolve([{ address: answers[Math.min(asked++, 1)]!, family: 4 }]);
    await fetchUrl(`http://code.example:${url.port}/`, { resolveHost });
    await requireContent();
    assert.equal(asked, 1);
    await into.reset();
    const error = await refusalOf(`http://code.example:${url.port}/`, { resolveHost });
    assert.match(error.message, /"code\.example" \(127\.0\.0\.2\)/);
  });

  it("refuses a name as soon as one of its addresses is refused", async () => {
    const resolveHost = () =>
      Promise.resolve([
        { address: "127.0.0.1", family: 4 },
        { address: "169.254.1.1", family: 4 },
      ]);
    assert.equal((await refusalOf("http://code.example:1/", { resolveHost })).code, "SourceRefused");
  });

  it("tries a name again that is not known yet", async () => {
    const url = new URL(await serve(whole));
    let asked = 0;
    const unknown = Object.assign(new Error("unknown"), { code: "ENOTFOUND" });
    const resolveHost = () =>
      asked++ === 0 ? Promise.reject(unknown) : Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
    await fetchUrl(`http://code.example:${url.port}/`, { resolveHost });
    await requireContent();
  });

  it("ends with the process", async () => {
    const ending = new AbortController();
    const url = await serve(() => ending.abort());
    assert.equal((await refusalOf(url, { signal: ending.signal })).code, "SourceUnreachable");
  });
});
