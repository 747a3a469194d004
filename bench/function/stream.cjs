"use strict";
// Says when it wrote its first chunk, waits a moment, and ends: who reads the chunk knows how long it was on its way.
const sayWhen = () => String(performance.timeOrigin + performance.now());
exports.stream = async (out) => {
  out.write(sayWhen());
  await new Promise((resolve) => setTimeout(resolve, 5));
  out.end(".");
};
if (globalThis.awslambda !== undefined) {
  exports.handler = globalThis.awslambda.streamifyResponse((_event, out) => exports.stream(out));
}
