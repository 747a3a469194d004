import { readFileSync } from "node:fs";

const greeting = readFileSync("/opt/greeting.txt", "utf8");

export const handler = async ({ name = "world" }) => ({
  text: `${greeting}, ${name}`,
  release: process.env.RELEASE,
  version: process.env.AWS_LAMBDA_FUNCTION_VERSION,
});
