/** What holds for one router holds for several, whichever takes the call. */
import { describe } from "mocha";

/** The suite with one router and with three, where the one that takes the calls does not decide them. */
export function describeWithRouters(title: string, suite: (routers: number) => void): void {
  for (const routers of [1, 3])
    describe(`${title}, with ${routers} ${routers === 1 ? "router" : "routers"}`, function () {
      suite.call(this, routers);
    });
}
