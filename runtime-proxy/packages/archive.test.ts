import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ZipFile } from "yazl";
import type { PackageErrorCode } from "../../crds/wire/packages.ts";
import { zipBytes, type ZipDraft, type ZipEntryDraft } from "../../test/kit/zip-bytes.ts";
import { archiveLimits } from "./archive-limits.ts";
import { checkArchive, openArchive } from "./archive.ts";
import { InflateBudget } from "./inflate-budget.ts";
import { PackageError } from "./package-error.ts";

/** An empty zip in the 64-bit form, with an offset of 2^64 - 1. */
function farDirectory(): Buffer {
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.fill(0xff, 8, 16);
  return Buffer.concat([locator, zipBytes([])]);
}

const link = (name: string, content: string): ZipEntryDraft => ({ name, content, mode: 0o120777 });
const text = (name: string): ZipEntryDraft => ({ name, content: `content of ${name}` });

interface Refusal {
  readonly entries: readonly ZipEntryDraft[];
  readonly draft?: ZipDraft;
  readonly code: PackageErrorCode;
  readonly message: RegExp;
  readonly entry?: string;
}

const unsafe = (name: string, message: RegExp, ...entries: ZipEntryDraft[]): Refusal => ({
  entries,
  code: "UnsafeArchiveEntry",
  message,
  entry: name,
});
const invalid = (name: string, message: RegExp, ...entries: ZipEntryDraft[]): Refusal => ({
  entries,
  code: "InvalidArchive",
  message,
  entry: name,
});

const refusals: Record<string, Refusal> = {
  'packages 4: an entry "../x"': unsafe("../x", /"\.\.\/x".*"\.\."/, text("../x")),
  "a name that goes up in its middle": unsafe("a/../../x", /"\.\."/, text("a/../../x")),
  "an absolute name": unsafe("/etc/passwd", /"\/etc\/passwd".*absolute/, text("/etc/passwd")),
  "backslashes of Windows that go up": unsafe("a\\..\\..\\x", /"\.\."/, { ...text("a\\..\\..\\x"), host: 0 }),
  "a backslash of Windows first": unsafe("\\x", /absolute/, { ...text("\\x"), host: 10 }),
  "a name that occurs twice once separators are read": unsafe("a\\b", /twice/, text("a/b"), {
    ...text("a\\b"),
    host: 0,
  }),
  "a backslash in a name of Unix": unsafe("a\\..\\x", /backslash/, text("a\\..\\x")),
  "a NUL": unsafe("a\0b", /NUL/, text("a\0b")),
  "a name past 4000 bytes": unsafe("d/".repeat(2100) + "x", /longer than 4000 bytes/, text("d/".repeat(2100) + "x")),
  "a part past 255 bytes": unsafe("x".repeat(256), /longer than 255 bytes/, text("x".repeat(256))),
  "a file without a name": unsafe("./", /no name|name of a directory/, { name: "./", content: "x" }),
  "a character device": unsafe("null", /character device/, { name: "null", mode: 0o020666 }),
  "a block device": unsafe("sda", /block device/, { name: "sda", mode: 0o060666 }),
  "a fifo": unsafe("pipe", /fifo/, { name: "pipe", mode: 0o010666 }),
  "a socket": unsafe("s", /socket/, { name: "s", mode: 0o140666 }),
  "a link made on Windows that escapes": unsafe("l", /leads out/, { ...link("l", "../x"), host: 0 }),
  "a link that escapes": unsafe("a/l", /"\.\.\/\.\.\/x".*leads out/, link("a/l", "../../x")),
  "an absolute link": unsafe("l", /"\/etc".*absolute/, link("l", "/etc")),
  "a link that escapes through another": unsafe(
    "e",
    /within another link/,
    link("a/b/l", "../.."),
    link("e", "a/b/l/../x"),
  ),
  "an empty link": unsafe("l", /no path/, link("l", "")),
  "a link target past 4096 bytes": unsafe("l", /4096 bytes/, link("l", "x".repeat(4097))),
  "a name that occurs twice": unsafe("a", /twice/, text("a"), text("a")),
  "a name that occurs twice in two spellings": unsafe("./b//a", /twice/, text("b/a"), text("./b//a")),
  "a file beneath a file": unsafe("a/b", /beneath a file/, text("a"), text("a/b")),
  "a file beneath a link": unsafe("l/x", /beneath a symbolic link/, link("l", "d"), text("l/x")),
  "a link above a file that came before": unsafe("l", /no directory/, text("l/x"), link("l", "d")),
  "a directory with the name of a file": unsafe("a/", /already that of a file/, text("a"), {
    name: "a/",
    mode: 0o040755,
  }),
  "a directory with content": unsafe("a/", /with content/, { name: "a/", content: "x", mode: 0o040755 }),
  "an encrypted entry": invalid("a", /"a": it is encrypted/, { ...text("a"), flags: 1 }),
  "another compression": invalid("a", /compression method 12/, { ...text("a"), method: 12 }),
  "a wrong checksum": invalid("a", /"a": its checksum/, { ...text("a"), crc: 1 }),
  "a wrong checksum of a large file": invalid("a", /checksum/, { name: "a", content: Buffer.alloc(5e6), crc: 1 }),
  "content longer than its header says": invalid("a", /size that its header says/, {
    ...text("a"),
    uncompressedBytes: 3,
  }),
  "content shorter than its header says": invalid("a", /size differs/, { ...text("a"), uncompressedBytes: 30 }),
  "large content shorter than its header says": invalid("a", /shorter/, { ...text("a"), uncompressedBytes: 5e6 }),
  "large content longer than its header says": invalid("a", /longer than its header/, {
    name: "a",
    content: Buffer.alloc(6e6),
    uncompressedBytes: 5e6,
  }),
  "two entries that share their data": unsafe("a", /overlaps/, text("a"), {
    ...text("b"),
    headerOffset: 0,
    isAbsent: true,
  }),
  "data that reaches into the next entry": unsafe(
    "a",
    /overlaps/,
    { ...text("a"), localExtra: Buffer.alloc(40) },
    {
      ...text("b"),
      headerOffset: 60,
      isAbsent: true,
    },
  ),
  "a part of a split archive": {
    entries: [text("a")],
    draft: { diskNumber: 1 },
    code: "InvalidArchive",
    message: /disk/,
  },
  "a directory that is cut off": {
    entries: [text("a")],
    draft: { entryCount: 2 },
    code: "InvalidArchive",
    message: /unzip/,
  },
};

describe("archives", () => {
  let directory: string;
  before(async () => void (directory = await mkdtemp(join(tmpdir(), "archive-"))));
  after(async () => await rm(directory, { recursive: true }));

  async function write(bytes: Buffer): Promise<string> {
    const path = join(directory, "a.zip");
    await writeFile(path, bytes);
    return path;
  }

  async function refusalOf(bytes: Buffer, limits = archiveLimits): Promise<PackageError> {
    const path = await write(bytes);
    const error: unknown = await checkArchive(path, limits).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PackageError, `want a PackageError, got ${String(error)}`);
    return error;
  }

  for (const [what, { entries, draft, code, message, entry }] of Object.entries(refusals)) {
    it(`refuses ${what}`, async () => {
      const error = await refusalOf(zipBytes(entries, draft));
      assert.match(error.message, message);
      assert.equal(error.code, code);
      assert.equal(error.entry, entry);
    });
  }

  const nonArchives: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    "a zip whose directory is said to lie beyond every file": farDirectory(),
    "a text": Buffer.from("no zip at all"),
    "a zip that is cut off": zipBytes([text("a"), text("b")]).subarray(0, 60),
    "a zip with more behind it": Buffer.concat([zipBytes([text("a")]), Buffer.from("more")]),
  };
  for (const [what, bytes] of Object.entries(nonArchives)) {
    it(`answers ${what} with the text of Lambda`, async () => {
      const error = await refusalOf(bytes);
      assert.equal(error.code, "InvalidArchive");
      assert.match(
        error.message,
        /^Could not unzip uploaded file\. Please check your file, then try to upload again\. ./,
      );
    });
  }

  it("packages 9: counts real bytes and stops at 262144000, with the text of Lambda", async () => {
    const [whole, rest] = [Buffer.alloc(131_072_000), Buffer.alloc(131_071_999)];
    const fits = [
      { name: "a", content: whole },
      { name: "b", content: rest },
    ];
    assert.deepEqual(await checkArchive(await write(zipBytes(fits)), archiveLimits), {
      unzippedBytes: 262_143_999,
      extensions: [],
    });
    const error = await refusalOf(zipBytes([...fits, { name: "c", content: "xx" }]));
    assert.equal(error.code, "CodeTooLarge");
    assert.equal(error.message, "Unzipped size must be smaller than 262144000 bytes");
  }).timeout(60_000);

  it("refuses more entries than allowed before it reads them", async () => {
    const error = await refusalOf(zipBytes([text("a"), text("b"), text("c")]), { ...archiveLimits, entries: 2 });
    assert.equal(error.code, "CodeTooLarge");
    assert.match(error.message, /3 entries, at most 2/);
  });

  it("inflates no more of a lying entry than its header promises", async () => {
    const bomb = zipBytes([{ name: "bomb", content: Buffer.alloc(300_000_000), uncompressedBytes: 10 }]);
    const before = process.memoryUsage().rss;
    assert.equal((await refusalOf(bomb)).code, "InvalidArchive");
    assert.ok(process.memoryUsage().rss - before < 100e6, "memory grew with the bomb");
  }).timeout(30_000);

  interface Place {
    readonly draft: ZipEntryDraft;
    readonly want: { readonly path: string; readonly kind: string; readonly mode: number };
  }
  const places: Record<string, Place> = {
    "a file's mode": { draft: { name: "a", mode: 0o100640 }, want: { path: "a", kind: "file", mode: 0o640 } },
    "packages 2: mode 600 as it is": {
      draft: { name: "a", mode: 0o100600 },
      want: { path: "a", kind: "file", mode: 0o600 },
    },
    "a mode without setuid, setgid and sticky": {
      draft: { name: "a", mode: 0o107755 },
      want: { path: "a", kind: "file", mode: 0o755 },
    },
    "a mode without type": { draft: { name: "a", mode: 0o600 }, want: { path: "a", kind: "file", mode: 0o600 } },
    "a directory's mode": {
      draft: { name: "d/", mode: 0o040700 },
      want: { path: "d", kind: "directory", mode: 0o700 },
    },
    "644 without Unix mode": { draft: { name: "a", host: 0, mode: 0 }, want: { path: "a", kind: "file", mode: 0o644 } },
    "755 for a directory without mode": {
      draft: { name: "d/", host: 0, mode: 0 },
      want: { path: "d", kind: "directory", mode: 0o755 },
    },
    "755 for bootstrap without mode": {
      draft: { name: "bootstrap", host: 0, mode: 0 },
      want: { path: "bootstrap", kind: "file", mode: 0o755 },
    },
    "755 for an extension without mode": {
      draft: { name: "extensions/e", host: 0, mode: 0 },
      want: { path: "extensions/e", kind: "file", mode: 0o755 },
    },
    "644 for what lies deeper than an extension": {
      draft: { name: "extensions/d/e", host: 0, mode: 0 },
      want: { path: "extensions/d/e", kind: "file", mode: 0o644 },
    },
    "backslashes of Windows as separators": {
      draft: { name: "a\\b\\c", host: 0, mode: 0 },
      want: { path: "a/b/c", kind: "file", mode: 0o644 },
    },
    "a backslash of Windows at the end as a directory": {
      draft: { name: "a\\", host: 14, mode: 0 },
      want: { path: "a", kind: "directory", mode: 0o755 },
    },
    "a name in UTF-8 that does not say so": {
      draft: { name: "ä/ö" },
      want: { path: "ä/ö", kind: "file", mode: 0o644 },
    },
    "a name in code page 437": {
      draft: { name: Buffer.from([0x84]), host: 0, mode: 0 },
      want: { path: "ä", kind: "file", mode: 0o644 },
    },
    "a name with dots and double slashes": {
      draft: { name: "./a//./b" },
      want: { path: "a/b", kind: "file", mode: 0o644 },
    },
  };
  for (const [what, { draft, want }] of Object.entries(places)) {
    it(`keeps ${what}`, async () => {
      const archive = await openArchive(await write(zipBytes([draft])), archiveLimits);
      await archive.close();
      assert.deepEqual(
        archive.entries.map(({ path, kind, mode }) => ({ path, kind, mode })),
        [want],
      );
    });
  }

  const targets: Record<string, { readonly path: string; readonly target: string; readonly want: string }> = {
    "packages 5: a relative link": { path: "lib/libx.so", target: "libx.so.1", want: "libx.so.1" },
    "a link that goes up within the archive": { path: "a/b/l", target: "../../c/x", want: "../../c/x" },
    "a link to the root": { path: "a/l", target: "..", want: ".." },
    "a link that goes up behind a name, in its short form": { path: "a/l", target: "b/../../c", want: "../c" },
    "a link to nothing that goes nowhere": { path: "l", target: "d/..", want: "." },
  };
  for (const [what, { path, target, want }] of Object.entries(targets)) {
    it(`keeps ${what}`, async () => {
      const archive = await openArchive(await write(zipBytes([link(path, target)])), archiveLimits);
      assert.equal(await archive.readLink(archive.entries[0]!, new InflateBudget(1000)), want);
      await archive.close();
    });
  }

  it("reads streamed archives with data descriptors and large stored files", async () => {
    const zip = new ZipFile();
    zip.addBuffer(Buffer.alloc(5_000_000, "s"), "stored", { compress: false });
    zip.addBuffer(Buffer.alloc(5_000_000, "d"), "deflated");
    zip.end();
    const chunks: Buffer[] = [];
    for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk);
    assert.deepEqual(await checkArchive(await write(Buffer.concat(chunks)), archiveLimits), {
      unzippedBytes: 10_000_000,
      extensions: [],
    });
  });
});
