/** The function that both run. The emulator knows but one ARN and account. */
export const facts = {
  functionName: "test_function",
  functionArn: "arn:aws:lambda:us-east-1:012345678912:function:test_function",
  region: "us-east-1",
  version: "$LATEST",
  handler: "index.handler",
  memorySize: 128,
  /** Longer than any script takes that is not about timeouts. */
  timeoutSeconds: 10,
  variables: { GREETING: "hello $HOME" },
} as const;
