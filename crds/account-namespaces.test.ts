import assert from "node:assert/strict";
import { namesOfOneAccount } from "../test/kit/names-of-one-account.ts";
import { AccountNamespaces } from "./account-namespaces.ts";
import { accountIdOf } from "./names.ts";

describe("AccountNamespaces", () => {
  const [one, other] = namesOfOneAccount;

  it("knows every namespace with functions, as long as it has one", () => {
    const accounts = new AccountNamespaces();
    const namespaces = (): readonly string[] => accounts.namespacesOf(accountIdOf(one));
    assert.equal(accountIdOf(one), accountIdOf(other));
    accounts.add(other);
    accounts.add(one);
    accounts.add(one);
    assert.deepEqual(namespaces(), [one, other]);
    accounts.remove(one);
    assert.deepEqual(namespaces(), [one, other]);
    accounts.remove(one);
    assert.deepEqual(namespaces(), [other]);
    accounts.remove(other);
    assert.deepEqual(namespaces(), []);
  });

  it("knows nothing of accounts without functions, and of none that was not added", () => {
    const accounts = new AccountNamespaces();
    accounts.remove(one);
    accounts.add("default");
    assert.deepEqual(accounts.namespacesOf(accountIdOf(one)), []);
  });
});
