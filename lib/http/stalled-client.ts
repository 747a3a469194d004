/**
 * Clients that take nothing of an answer that has been written: until they do, or are gone, the process holds it for them. A client that
 * takes some now and then is only slow.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** To be called once all of an answer has been written: its connection times out when nothing of it is taken for so long. */
export function limitStall(res: ServerResponse, stallMs: number): void {
  if (res.writableLength === 0 || res.destroyed) return;
  const { socket } = res;
  if (socket === null) {
    // Behind another's answer: its own turn comes with the socket.
    res.once("socket", () => setImmediate(() => limitStall(res, stallMs)));
    return;
  }
  // Its timer begins anew also while only a part of one long write goes out, and when something comes: but nothing is read on while an answer waits.
  socket.setTimeout(stallMs);
  res.once("finish", () => {
    // Else node:http has set its own by now.
    if (socket.timeout === stallMs) socket.setTimeout(0);
  });
}

/** Closes a connection that has timed out; what the client did not take goes with it, also from the kernel's memory. */
export function cutOff(socket: Socket): void {
  const isPlain = !("encrypted" in socket);
  if (isPlain && socket.writableLength > 0) socket.resetAndDestroy();
  else socket.destroy();
}
