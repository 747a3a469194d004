import assert from "node:assert/strict";
import { whoForwarded } from "./forwarded.ts";

const isTrusted = (address: string): boolean => address.startsWith("10.");
const direct = { localPort: 8080, isEncrypted: false };

describe("whoForwarded", () => {
  const cases: Record<string, { peer: string; headers?: Record<string, string>; want: string }> = {
    "a peer for itself": { peer: "203.0.113.9", want: "203.0.113.9 http 8080" },
    "IPv4 in IPv6's clothes as IPv4": { peer: "::ffff:203.0.113.9", want: "203.0.113.9 http 8080" },
    "no word of a peer that is not trusted": {
      peer: "203.0.113.9",
      headers: { "x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https", "x-forwarded-port": "1" },
      want: "203.0.113.9 http 8080",
    },
    "a trusted proxy's client": {
      peer: "10.0.0.1",
      headers: { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" },
      want: "203.0.113.9 https 443",
    },
    "the last that is no proxy, whatever stands before": {
      peer: "::ffff:10.0.0.1",
      headers: { "x-forwarded-for": "1.1.1.1, nonsense, 203.0.113.9:1234 , 10.0.0.7", "x-forwarded-port": "8443" },
      want: "203.0.113.9 http 8443",
    },
    "the first of proxies alone": {
      peer: "10.0.0.1",
      headers: { "x-forwarded-for": "10.0.0.3,10.0.0.2" },
      want: "10.0.0.3 http 8080",
    },
    "IPv6 in brackets": {
      peer: "10.0.0.1",
      headers: { "x-forwarded-for": "[2001:db8::1]:443" },
      want: "2001:db8::1 http 8080",
    },
    "the proxy itself where it says nothing": { peer: "10.0.0.1", want: "10.0.0.1 http 8080" },
    "no protocol that is none": {
      peer: "10.0.0.1",
      headers: { "x-forwarded-proto": "gopher", "x-forwarded-port": "x" },
      want: "10.0.0.1 http 80",
    },
  };
  for (const [title, { peer, headers = {}, want }] of Object.entries(cases)) {
    it(`takes ${title}`, () => {
      const got = whoForwarded({ remoteAddress: peer, ...direct }, new Map(Object.entries(headers)), isTrusted);
      assert.equal(`${got.sourceIp} ${got.protocol} ${got.port}`, want);
    });
  }
});
