/** The Invoke API over TLS: by a certificate in files that change as the kubelet changes those of a Secret. */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions } from "node:tls";
import { Agent, request } from "undici";
import { ManualClock } from "../kit/manual-clock.ts";
import { startServer } from "../../lib/http/express.ts";
import { readTlsFiles, watchTlsFiles, type TlsFiles } from "../../lib/http/tls-files.ts";
import { createAuthority, issueCertificate, type Certified } from "../cluster/pki.ts";
import { RouterWorld } from "../kit/router-world.ts";

describe("the router's certificate", function () {
  this.timeout(60_000);
  let folder: string;
  let ca: Buffer;
  const certificates: Certified[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "router-tls-"));
    const authority = await createAuthority(folder, "authority");
    ca = await readFile(authority.certFile);
    for (const name of ["first", "second"]) {
      const wanted = { name, subject: `/CN=${name}`, subjectAltNames: "DNS:localhost,IP:127.0.0.1" };
      certificates.push(await issueCertificate(folder, authority, wanted));
    }
    await put(0);
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  async function put(number: number): Promise<void> {
    const { certFile = "", keyFile = "" } = certificates[number] ?? {};
    await copyFile(certFile, join(folder, "tls.crt"));
    await copyFile(keyFile, join(folder, "tls.key"));
  }

  /** Protocol and the certificate's name of a new connection. */
  async function shake(port: number, options: ConnectionOptions = {}): Promise<string> {
    const socket = connect({ port, host: "127.0.0.1", ca, ...options });
    return await new Promise((resolve, reject) => {
      socket.once("error", reject).once("secureConnect", () => {
        resolve(`${socket.getProtocol()} ${String(socket.getPeerCertificate().subject.CN)}`);
        socket.destroy();
      });
    });
  }

  it("serves calls beside plain HTTP, by TLS 1.2 and newer", async () => {
    const world = new RouterWorld();
    try {
      const router = await world.startRouter({ KUBELAMBDA_TLS_DIRECTORY: folder, KUBELAMBDA_TLS_PORT: 0 });
      const port = router.tlsPort ?? 0;
      await world.addEnvironment(await world.addFunction({ name: "hello" }));
      assert.equal((await world.invoke("hello", "{}")).status, 200);
      const dispatcher = new Agent({ connect: { ca } });
      const url = `https://127.0.0.1:${port}/2015-03-31/functions/hello/invocations`;
      const { statusCode, body } = await request(url, { method: "POST", body: "{}", dispatcher });
      assert.deepEqual([statusCode, await body.text()], [200, "{}"]);
      await dispatcher.close();
      assert.equal(await shake(port), "TLSv1.3 first");
      assert.equal(await shake(port, { maxVersion: "TLSv1.2" }), "TLSv1.2 first");
      await assert.rejects(shake(port, { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }));
    } finally {
      await world.close();
    }
  });

  it("is the newest that can be used, without a restart", async () => {
    const clock = new ManualClock();
    const changes: TlsFiles[] = [];
    const newest = (): TlsFiles | undefined => changes.at(-1);
    const problems: string[] = [];
    const stop = watchTlsFiles(await readTlsFiles(folder), {
      ...{ directory: folder, clock, everyMs: 1000 },
      onChange: (files) => changes.push(files),
      onError: ({ message }) => problems.push(message),
    });
    const look = async (until: () => boolean): Promise<void> => {
      for (let n = 0; n < 200 && !until(); n += 1) {
        clock.advance(1000);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await writeFile(join(folder, "tls.crt"), "no certificate");
    await look(() => problems.length > 0);
    assert.match(problems[0] ?? "", /^Cannot use the certificate in ".*": /);
    assert.equal(newest(), undefined);
    await put(1);
    await look(() => changes.length > 0);
    stop();
    assert.equal(changes.length, 1);
    assert.deepEqual(newest()?.cert, await readFile(join(folder, "second.crt")));
  });

  it("changes for new connections and not for those there are", async () => {
    await put(0);
    const first = await readTlsFiles(folder);
    await put(1);
    const second = await readTlsFiles(folder);
    const handler = () => Promise.resolve({ status: 204 });
    const onError = () => ({ status: 500 });
    const server = await startServer({ host: "127.0.0.1", port: 0, handler, onError, tls: first });
    try {
      const kept = new Agent({ connect: { ca }, connections: 1 });
      const call = async () => (await request(`https://127.0.0.1:${server.port}/`, { dispatcher: kept })).statusCode;
      assert.equal(await call(), 204);
      server.setTls(second);
      assert.equal(await shake(server.port), "TLSv1.3 second");
      assert.equal(await call(), 204);
      await assert.rejects(
        shake(server.port, { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" }),
      );
      await kept.close();
    } finally {
      await server.stop(100);
    }
  });

  it("that cannot be used is told at the start", async () => {
    await rm(join(folder, "tls.key"));
    const world = new RouterWorld();
    try {
      await assert.rejects(world.startRouter({ KUBELAMBDA_TLS_DIRECTORY: folder, KUBELAMBDA_TLS_PORT: 0 }), /tls\.key/);
    } finally {
      await world.close();
    }
  });
});
