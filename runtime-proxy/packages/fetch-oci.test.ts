import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { RequestListener, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { OciSource } from "../../crds/wire/packages.ts";
import {
  artifactTypes,
  digestOf,
  startScriptedRegistry,
  type LayerDraft,
  type ScriptedRegistry,
} from "../../test/kit/scripted-registry.ts";
import { tarBytes, type TarEntryDraft } from "../../test/kit/tar-bytes.ts";
import { zipBytes } from "../../test/kit/zip-bytes.ts";
import { createAddressRules } from "./address-rules.ts";
import { archiveLimits } from "./archive-limits.ts";
import { checkArchive, openArchive } from "./archive.ts";
import type { BytesFetched } from "./fetch-bytes.ts";
import { createOciFetcher, type OciFetchRequest } from "./fetch-oci.ts";
import { InflateBudget } from "./inflate-budget.ts";
import { PackageError } from "./package-error.ts";
import { StagedFile } from "./staged-file.ts";

const zip = zipBytes([{ name: "index.mjs", content: "export const handler = async () => 1;" }]);
const rules = createAddressRules({ allowedCIDRs: [], deniedCIDRs: [] });
const send =
  (status: number, headers: Record<string, string> = {}, body: string | Buffer = ""): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);
const silent: RequestListener = () => undefined;
const endless: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": artifactTypes.manifest });
  pour(response);
};
function pour(response: ServerResponse): void {
  while (response.write(Buffer.alloc(1 << 20)));
  response.once("drain", () => pour(response));
}

describe("fetching an artifact of a registry", () => {
  let directory: string;
  let into: StagedFile;
  let registry: ScriptedRegistry;
  let staged = 0;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "fetch-oci-"));
    into = await StagedFile.create(join(directory, "package"));
    registry = await startScriptedRegistry();
  });
  afterEach(async () => {
    await registry.stop();
    await into.discard();
    assert.deepEqual(await readdir(directory), [], "every layer on its way is removed");
    await rm(directory, { recursive: true });
  });

  async function fetchOci(
    more: Partial<OciSource> = {},
    { known, sha256 }: Pick<OciFetchRequest, "known" | "sha256"> = {},
    plainHttpHosts: readonly string[] = [registry.host],
  ): Promise<BytesFetched> {
    const reference = `${registry.host}/team/app:1`;
    const access = () => ({ rules, privateHosts: [], plainHttpHosts, silenceMs: 500 });
    const stage = () => StagedFile.create(join(directory, `layer-${staged++}`));
    const source = { type: "oci", reference, architecture: "x86_64", ...more } as const;
    const fetcher = createOciFetcher({ rules, access, firstWaitMs: 1, silenceMs: 500 });
    return await fetcher({ source, into, stage, known, sha256 });
  }

  async function refusal(...given: Parameters<typeof fetchOci>): Promise<PackageError> {
    const error: unknown = await fetchOci(...given).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PackageError, `want a PackageError, got ${String(error)}`);
    return error;
  }

  const layer = async (entries: readonly TarEntryDraft[], more: Partial<LayerDraft> = {}): Promise<LayerDraft> => ({
    bytes: await tarBytes(entries),
    ...more,
  });

  /** Path → mode and content of what is staged, which has to pass every check of a package. */
  async function content(): Promise<Record<string, string>> {
    await checkArchive(into.path, archiveLimits);
    const archive = await openArchive(into.path, archiveLimits);
    const found: Record<string, string> = {};
    const budget = new InflateBudget(archiveLimits.unzippedBytes);
    for (const entry of archive.entries) {
      const text = entry.kind === "directory" ? "" : (await archive.readWhole(entry, budget)).toString("utf8");
      found[entry.path] = `${entry.kind} ${entry.mode.toString(8)} ${text}`.trim();
    }
    await archive.close();
    return found;
  }

  it("takes a zip as it is, by tag and by digest", async () => {
    const digest = registry.put("1", [{ bytes: zip, mediaType: artifactTypes.zip }]);
    assert.deepEqual(await fetchOci(), { type: "fetched", validator: digest });
    assert.equal(into.digest(), digestOf(zip));
    await into.reset();
    await fetchOci({ reference: `oci://${registry.host}/team/app@${digest}` });
    assert.equal(into.digest(), digestOf(zip));
  });

  it("takes a zip that a tool has called a tar or plain bytes", async () => {
    for (const mediaType of [artifactTypes.tar, "application/octet-stream"]) {
      registry.put("1", [{ bytes: zip, mediaType, title: "function.zip" }]);
      await fetchOci();
      assert.equal(into.digest(), digestOf(zip));
    }
  });

  it("merges tar layers, plain, gzip and zstd, with whiteouts, links and modes", async () => {
    const base = await layer([
      { name: "bin/" },
      { name: "bin/run", content: "#!/bin/sh\n", mode: 0o755 },
      { name: "old/file", content: "old" },
      { name: "kept", content: "1" },
    ]);
    const middle = await tarBytes([
      { name: ".wh.old" },
      { name: "kept", content: "2" },
      { name: "alias", type: "symlink", linkname: "bin/run" },
      { name: "twin", type: "link", linkname: "kept" },
    ]);
    const top = await tarBytes([
      { name: "./empty/", mode: 0o700 },
      { name: "./x", content: "3" },
    ]);
    registry.put("1", [
      base,
      { bytes: gzipSync(middle), mediaType: artifactTypes.gzip },
      { bytes: zstdCompressSync(top), mediaType: artifactTypes.zstd },
    ]);
    await fetchOci();
    assert.deepEqual(await content(), {
      alias: "link 777 bin/run",
      bin: "directory 755",
      "bin/run": "file 755 #!/bin/sh",
      empty: "directory 700",
      kept: "file 644 2",
      twin: "file 644 2",
      x: "file 644 3",
    });
  });

  it("makes the same package of the same content, however it came", async () => {
    const entries = [
      { name: "a/b", content: "1", mtime: new Date(1e12) },
      { name: "c", content: "2".repeat(100_000) },
    ];
    const digests = new Set<string>();
    const plain = await tarBytes(entries);
    const ways: readonly (readonly LayerDraft[])[] = [
      [{ bytes: plain }],
      [{ bytes: gzipSync(plain, { level: 1 }), mediaType: artifactTypes.gzip }],
      [await layer(entries.slice(1)), await layer([{ name: "a/" }, ...entries.slice(0, 1)])],
      [{ bytes: await tarBytes(entries.map((entry) => ({ ...entry, mtime: new Date(0), uid: 7 })).reverse()) }],
    ];
    for (const layers of ways) {
      registry.put("1", layers);
      await into.reset();
      await fetchOci();
      digests.add(into.digest());
    }
    // Of a release that writes other bytes every package of a registry would get another digest.
    assert.deepEqual([...digests], ["sha256:2a47862c669ac94a71589957f130035f51a11eb0f4fdfbc6bd3b08fb5d1950ac"]);
  });

  it("takes a folder of the layers", async () => {
    registry.put("1", [await layer([{ name: "opt/extensions/x", content: "x", mode: 0o755 }, { name: "etc/y" }])]);
    await fetchOci({ path: "/opt" });
    assert.deepEqual(await content(), { extensions: "directory 755", "extensions/x": "file 755 x" });
    const { code, message } = await refusal({ path: "usr" });
    assert.equal(code, "InvalidArchive");
    assert.match(message, /have no folder "usr", or an empty one; at the top there is "etc", "opt"$/);
  });

  it("takes of an index what is for the architecture", async () => {
    const [x86, arm] = [
      registry.put("x", [await layer([{ name: "x" }])]),
      registry.put("a", [await layer([{ name: "a" }])]),
    ];
    const member = (digest: string, architecture: string) => ({ digest, platform: { os: "linux", architecture } });
    const manifests = [member(x86, "amd64"), member(arm, "arm64")];
    registry.putManifest("1", { manifests }, "application/vnd.oci.image.index.v1+json");
    await fetchOci({ architecture: "arm64" });
    assert.deepEqual(Object.keys(await content()), ["a"]);
  });

  it("asks with one small request whether a tag has moved", async () => {
    const digest = registry.put("1", [{ bytes: zip }]);
    assert.deepEqual(await fetchOci({}, { known: digest }), { type: "unchanged" });
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ["HEAD"],
    );
    registry.put("1", [{ bytes: await tarBytes([{ name: "new" }]) }]);
    assert.equal((await fetchOci({}, { known: digest })).type, "fetched");
  });

  it("holds a package to the user's sha256", async () => {
    registry.put("1", [{ bytes: zip }]);
    await fetchOci({}, { sha256: digestOf(zip).slice(7) });
    const { code, message } = await refusal({}, { sha256: "0".repeat(64) });
    assert.equal(code, "DigestMismatch");
    assert.match(message, /the sha256 of its package is [0-9a-f]{64}, want 0{64}$/);
  });

  it("goes on where a connection broke, and where a registry ends too soon", async () => {
    const bytes = await tarBytes([{ name: "a", content: Buffer.alloc(300_000, 1) }]);
    registry.put("1", [{ bytes }]);
    const half = bytes.subarray(0, 100_000);
    const rest: RequestListener = (request, response) => {
      assert.equal(request.headers.range, "bytes=100000-");
      response.writeHead(206, { "content-range": `bytes 100000-${bytes.length - 1}/${bytes.length}` });
      response.end(bytes.subarray(100_000));
    };
    registry.lie(`blobs/${digestOf(bytes)}`, send(200, {}, half), rest);
    await fetchOci();
    assert.deepEqual(Object.keys(await content()), ["a"]);
  });

  it("waits as long as a registry asks, when that is not long, and tells how long otherwise", async () => {
    registry.put("1", [{ bytes: zip }]);
    const truth = send(200, {}, zip);
    registry.lie(`blobs/${digestOf(zip)}`, send(503, { "retry-after": "1" }), truth);
    await fetchOci();
    registry.lie(`blobs/${digestOf(zip)}`, send(429, { "retry-after": "300" }), truth);
    const { code, message, retryAfterMs } = await refusal();
    assert.deepEqual([code, retryAfterMs], ["SourceUnreachable", 300_000]);
    assert.match(message, /the registry answered 429 for its layer 1; it asks to wait 300 s/);
    registry.lie("manifests/1", send(429, { "retry-after": "60" }));
    assert.equal((await refusal()).retryAfterMs, 60_000);
  });

  /** What a registry does to layer 1 of artifact 1, which is a zip. */
  const lies: Record<string, { lie: readonly RequestListener[]; want: RegExp; requests?: number }> = {
    "other bytes of the same length": {
      lie: [send(200, {}, Buffer.alloc(zip.length))],
      want: /^SourceCorrupt Cannot use layer 1 of artifact ".*team\/app:1": its sha256 is [0-9a-f]{64}, want/,
      requests: 2,
    },
    "more bytes than its manifest says": {
      lie: [endless],
      want: /^SourceCorrupt .*it is longer than the \d+ bytes promised/,
      requests: 2,
    },
    "a length that is not the manifest's": {
      lie: [send(200, { "content-length": String(zip.length + 5) }, Buffer.alloc(zip.length + 5))],
      want: /^SourceCorrupt .*longer than/,
    },
    "fewer bytes, again and again": {
      lie: [send(200, {}, zip.subarray(0, 10)), send(416)],
      want: /^SourceUnreachable .*(ended after 10 of|answered 416)/,
    },
    silence: { lie: [silent], want: /^SourceUnreachable .*UND_ERR_HEADERS_TIMEOUT/ },
    "no such blob": { lie: [send(404)], want: /^SourceNotFound .*the registry has no layer 1/, requests: 2 },
    refusal: { lie: [send(403)], want: /^SourceForbidden .*\(403\); name a pull secret for it in oci\.pullSecret/ },
    "redirects without end": {
      lie: [(request, response) => void response.writeHead(307, { location: request.url ?? "" }).end()],
      want: /^SourceRefused .*more than 5 redirects/,
      requests: 7,
    },
    "a redirect to the metadata service": {
      lie: [send(307, { location: "https://169.254.169.254/latest" })],
      want: /^SourceRefused Cannot fetch from "169.254.169.254": it is a link-local address; the chart value/,
    },
    "a redirect to a cluster address": {
      lie: [send(307, { location: "https://10.0.0.1/blob" })],
      want: /^SourceRefused .*"10.0.0.1": it is a private address/,
    },
    "a redirect without TLS": {
      lie: [send(307, { location: "http://192.0.2.1/blob" })],
      want: /^SourceRefused .*it is not https/,
    },
  };
  for (const [what, { lie, want, requests }] of Object.entries(lies)) {
    it(`answers for a registry that gives ${what}`, async () => {
      registry.put("1", [{ bytes: zip }]);
      registry.lie(`blobs/${digestOf(zip)}`, ...lie);
      const { code, message } = await refusal();
      assert.match(`${code} ${message}`, want);
      if (requests !== undefined) assert.equal(registry.requests.length, requests);
      assert.ok(registry.requests.length <= 12, "it is not hammered");
    }).timeout(20_000);
  }

  const manifests: Record<string, { lie: RequestListener; want: RegExp }> = {
    "without end": { lie: endless, want: /^InvalidArchive .*longer than 4194304 bytes/ },
    "of another digest than its header says": {
      lie: send(200, { "docker-content-digest": digestOf("other"), "content-type": artifactTypes.manifest }, "{}"),
      want: /^SourceCorrupt Cannot use artifact ".*": the registry sent sha256:/,
    },
    "behind a token server at a cluster address": {
      lie: send(401, { "www-authenticate": 'Bearer realm="https://10.96.0.1/token",service="x"' }),
      want: /^SourceRefused Cannot fetch from "10.96.0.1": it is a private address/,
    },
    "behind a token server on the node": {
      lie: send(401, { "www-authenticate": 'Bearer realm="https://127.0.0.1:10250/token"' }),
      want: /^SourceRefused .*it is a loopback address/,
    },
    "behind a password": {
      lie: send(401, { "www-authenticate": "Basic realm=x" }),
      want: /^SourceForbidden Cannot read artifact ".*": .*name a pull secret for it in oci\.pullSecret/,
    },
    "that is a web page": {
      lie: send(200, { "content-type": "text/html" }, "<html>"),
      want: /^InvalidArchive .*of type "text\/html"/,
    },
    "that is not there": { lie: send(404), want: /^SourceNotFound .*no manifest "1"/ },
  };
  for (const [what, { lie, want }] of Object.entries(manifests)) {
    it(`answers for a manifest ${what}`, async () => {
      registry.lie("manifests/1", lie);
      const { code, message } = await refusal();
      assert.match(`${code} ${message}`, want);
    });
  }

  const artifacts: Record<
    string,
    { layers: () => readonly LayerDraft[] | Promise<readonly LayerDraft[]>; path?: string; want: RegExp }
  > = {
    "without layers": { layers: () => [], want: /^InvalidArchive .*no layers; a package is one zip/ },
    "that is a Helm chart's provenance": {
      layers: () => [{ bytes: zip, mediaType: "application/vnd.cncf.helm.chart.provenance.v1.prov" }],
      want: /^InvalidArchive .*its layer 1 is of type "application\/vnd\.cncf\.helm/,
    },
    "that is encrypted": {
      layers: () => [{ bytes: zip, mediaType: `${artifactTypes.gzip}+encrypted` }],
      want: /^InvalidArchive .*\+encrypted"/,
    },
    "of two zips": {
      layers: () => [{ bytes: zip }, { bytes: zip }],
      want: /^InvalidArchive .*layer 1 of .*it is a zip, and not the only layer/,
    },
    "of plain text": {
      layers: () => [{ bytes: Buffer.from("hello\n".repeat(200)), title: "hello.txt" }],
      want: /^InvalidArchive Cannot use layer 1 \("hello\.txt"\) of .*neither a zip nor a whole tar/,
    },
    "that is cut off": {
      layers: async () => [{ bytes: (await tarBytes([{ name: "a", content: "x".repeat(5000) }])).subarray(0, 2000) }],
      want: /^InvalidArchive .*neither a zip nor a whole tar/,
    },
    "whose gzip is damaged": {
      layers: () => [{ bytes: Buffer.concat([gzipSync(Buffer.alloc(2000)).subarray(0, 15), Buffer.alloc(50, 7)]) }],
      want: /^InvalidArchive .*neither a zip nor a whole tar/,
    },
    "whose manifest promises too much": {
      layers: () => [{ bytes: zip, size: 300_000_000 }],
      want: /^CodeTooLarge .*its layers have 300000000 bytes/,
    },
    "that is a bomb of hard links": {
      layers: async () => {
        const twins = Array.from(
          { length: 90 },
          (_, twin) => ({ name: `${twin}`, type: "link", linkname: "a" }) as const,
        );
        return [await layer([{ name: "a", content: Buffer.alloc(3_000_000) }, ...twins])];
      },
      want: /^CodeTooLarge Unzipped size must be smaller than 262144000 bytes/,
    },
    "that leads out of its folder": {
      layers: async () => [await layer([{ name: "../a" }])],
      want: /^UnsafeArchiveEntry .*"\.\.\/a": its name has a "\.\." part/,
    },
    "with an absolute name": {
      layers: async () => [await layer([{ name: "/etc/passwd" }])],
      want: /^UnsafeArchiveEntry .*its name is absolute/,
    },
    "with a device": {
      layers: async () => [await layer([{ name: "dev/null", type: "character-device" }])],
      want: /^UnsafeArchiveEntry .*"dev\/null": it is a character device/,
    },
    "with a whiteout of nothing": {
      layers: async () => [await layer([{ name: "a/.wh.." }])],
      want: /^UnsafeArchiveEntry .*whiteout of no name/,
    },
    "with a folder asked of its zip": {
      layers: () => [{ bytes: zip }],
      path: "opt",
      want: /^SourceRefused Cannot take folder "opt" of .*its package is a zip/,
    },
  };
  for (const [what, { layers, path, want }] of Object.entries(artifacts)) {
    it(`answers for an artifact ${what}`, async () => {
      registry.put("1", await layers());
      const { code, message } = await refusal(path === undefined ? {} : { path });
      assert.match(`${code} ${message}`, want);
    }).timeout(20_000);
  }

  it("leaves a link out of the package to the check of every package", async () => {
    registry.put("1", [await layer([{ name: "a", type: "symlink", linkname: "/etc/passwd" }])]);
    await fetchOci();
    await assert.rejects(content(), /UnsafeArchiveEntry|is absolute/);
  });

  it("asks no registry without TLS or at a closed address unless the admin allows it, and reads no wrong name", async () => {
    assert.match(
      (await refusal({}, {}, [])).message,
      /loopback address; the chart value "packages\.registries\.privateHosts"/,
    );
    const { code, message } = await refusal({ reference: "ghcr.io/Team/App:1" });
    assert.equal(code, "SourceRefused");
    assert.match(message, /its repository "Team\/App" is not lower-case words/);
  });
});
