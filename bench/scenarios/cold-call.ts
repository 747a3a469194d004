import type { Scenario } from "../context.ts";
export const coldCall: Scenario = { summary: "x", run: () => Promise.resolve([]) };
