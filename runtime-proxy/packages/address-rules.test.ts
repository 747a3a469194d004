import assert from "node:assert/strict";
import { createAddressRules } from "./address-rules.ts";

const rules = createAddressRules({
  allowedCIDRs: ["127.0.0.7", "192.168.7.0/24", "fd00:7::/32"],
  deniedCIDRs: ["198.18.0.0/24", "198.19.0.0/16", "2001:db8::/32"],
});

const cases: Record<string, string | undefined> = {
  "203.0.113.9": undefined,
  "2606:4700::1": undefined,
  "127.0.0.1": "a loopback address",
  "127.255.255.254": "a loopback address",
  "::1": "a loopback address",
  "169.254.169.254": "a link-local address",
  "fe80::1": "a link-local address",
  "fe80::1%eth0": "a link-local address",
  "0.0.0.0": "an unspecified address",
  "::": "an unspecified address",
  "10.1.2.3": "a private address",
  "172.31.0.1": "a private address",
  "172.32.0.1": undefined,
  "192.168.1.1": "a private address",
  "100.100.100.200": "a private address",
  "fd00:ec2::254": "a private address",
  "168.63.129.16": "a metadata service",
  "224.0.0.1": "a multicast or reserved address",
  "255.255.255.255": "a multicast or reserved address",
  "ff02::1": "a multicast or reserved address",
  "198.18.0.77": "an address of the cluster",
  "198.18.1.77": undefined,
  "198.19.3.4": "an address of the cluster",
  "2001:db8::5": "an address of the cluster",
  "127.0.0.7": undefined,
  "192.168.7.200": undefined,
  "fd00:7::1": undefined,
  "::ffff:127.0.0.1": "a loopback address",
  "::ffff:7f00:1": "a loopback address",
  "::ffff:203.0.113.9": undefined,
  "::ffff:127.0.0.7": undefined,
  "::127.0.0.1": "a loopback address",
  "64:ff9b::169.254.169.254": "a link-local address",
  "2002:a9fe:a9fe::1": "a link-local address",
  "2002:cb00:7109::1": undefined,
  "no address": "no address",
};

describe("address rules", () => {
  for (const [address, want] of Object.entries(cases)) {
    it(`${want === undefined ? "reach" : "refuse"} ${address}`, () => assert.equal(rules(address), want));
  }

  for (const range of ["198.18.0.0/33", "cluster", "198.18.0.0/", "198.18.0.0/8/8", "::/129", "198.18.0.0/-1"]) {
    it(`do not take "${range}" for a range`, () => {
      assert.throws(() => createAddressRules({ allowedCIDRs: [range], deniedCIDRs: [] }), /Cannot use address range/);
    });
  }
});
