import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { EnvironmentAnnouncement } from "../crds/wire/environment.ts";
import { routes } from "../crds/wire/routes.ts";
import { systemClock } from "../lib/clock.ts";
import { AnnouncementReceiver } from "../test/kit/announcement-receiver.ts";
import { Announcer, type AnnouncerParts } from "./announce.ts";

const announcement: EnvironmentAnnouncement = {
  podUid: "pod-1",
  address: "127.0.0.1:9001",
  state: "ready",
  sequence: 1,
};

function announcerTo(routerUrl: string, resolveHost: AnnouncerParts["resolveHost"]): Announcer {
  return new Announcer({
    routerUrls: [routerUrl],
    resolveHost,
    readToken: () => Promise.resolve("token\n"),
    clock: systemClock,
    draw: Math.random,
    agentLog: (_level, text) => assert.fail(text),
    renew: () => undefined,
  });
}

describe("Announcer", () => {
  it("tells routers that were found beforehand without waiting for their names once more", async () => {
    const router = new AnnouncementReceiver();
    const url = await router.listen();
    let asked = 0;
    // The first time alone: whoever asked again would hear nothing.
    const announcer = announcerTo(url.replace("127.0.0.1", "routers.test"), () =>
      (asked += 1) === 1 ? Promise.resolve(["127.0.0.1"]) : new Promise(() => undefined),
    );
    try {
      await announcer.prepare();
      announcer.announce(announcement);
      assert.deepEqual(await router.announced(({ sequence }) => sequence === 1), announcement);
      assert.equal(router.received[0]?.authorization, "Bearer token");
      assert.equal(asked, 2, "routers that have come meanwhile are looked for all the same");
    } finally {
      announcer.stop();
      await router.close();
    }
  });

  it("shows its token to routers before there is anything to announce, and minds none that does not know that", async () => {
    const seen: string[] = [];
    const router = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => router.listen(0, "127.0.0.1", resolve));
    const { port } = router.address() as AddressInfo;
    const hosts = ["127.0.0.1", "127.0.0.2"];
    const announcer = announcerTo(`http://router.test:${port}`, () => Promise.resolve(hosts));
    try {
      await announcer.prepare();
      assert.deepEqual(seen, [`POST ${routes.greeting} Bearer token`]);
    } finally {
      announcer.stop();
      router.closeAllConnections();
      router.close();
    }
  });
});
