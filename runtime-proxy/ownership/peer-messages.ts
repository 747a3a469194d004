/** What routers tell each other over a standing connection: lines of JSON, each an array of messages that came due together. */
import { z } from "zod";
import { rosterSchema } from "../../crds/wire/roster.ts";

const id = z.number().int().min(0);
const useEnd = z.enum(["answered", "busy", "undialled", "draining", "unreached", "stale", "lost", "unused"]);
const text = z.string().max(400);
const mostFurther = 1000;

/** To the owner, from the replica that carries a call. */
const questionSchema = z.discriminatedUnion("t", [
  /** May it run, and where? `id` is new on this connection. `keeps`: who asks knows `further` and `recall`. */
  z.object({
    t: z.literal("ask"),
    id,
    ns: text,
    fn: text,
    version: text,
    waitMs: z.number().min(0),
    hasWaited: z.boolean().optional(),
    keeps: z.boolean().optional(),
  }),
  /** The environment did not take it: another one. */
  z.object({ t: z.literal("again"), id, end: useEnd }),
  /** It has come to its end; without `end` it had no environment. `further`: how many others ran in its place. Answered by `ended`. */
  z.object({
    t: z.literal("end"),
    id,
    end: useEnd.optional(),
    further: z.number().int().min(1).max(mostFurther).optional(),
  }),
  /** To a `recall`: a call runs; when it ends, so does what was lent. */
  z.object({ t: z.literal("using"), id }),
]);
/** From the owner. */
const answerSchema = z.discriminatedUnion("t", [
  z.object({
    t: z.literal("granted"),
    id,
    ...{ podUid: text, address: text, grant: text },
    provisioned: z.enum(["used", "spilled"]).optional(),
    /** So many further calls of the version may run there one after another, each by the next number, without being asked for. */
    further: z.number().int().min(1).max(mostFurther).optional(),
  }),
  z.object({ t: z.literal("throttled"), id, reason: text }),
  /** What was lent is to be given back at once, or when the call that runs has ended. Answered by `end` or `using`. */
  z.object({ t: z.literal("recall"), id }),
  /** The call holds its slot no more. */
  z.object({ t: z.literal("ended"), id }),
  z.object({
    t: z.literal("refused"),
    id,
    refusal: z.enum(["queueFull", "timedOut", "functionGone", "functionFailed", "scalingRate", "moved"]),
    failure: z.object({ podUid: text, errorType: z.string(), errorMessage: z.string() }).optional(),
    hasWaited: z.boolean().optional(),
  }),
]);
/** Both ways: so that a roster reaches a replica that cannot reach the API server, and a silent peer is noticed. */
const noticeSchema = z.discriminatedUnion("t", [
  z.object({ t: z.literal("roster"), roster: rosterSchema }),
  z.object({ t: z.literal("here") }),
]);

export type Question = z.infer<typeof questionSchema>;
export type Answer = z.infer<typeof answerSchema>;
export type Notice = z.infer<typeof noticeSchema>;
export type PeerMessage = Question | Answer | Notice;

export const questionsSchema = z.array(z.union([questionSchema, noticeSchema])).max(100_000);
export const answersSchema = z.array(z.union([answerSchema, noticeSchema])).max(100_000);

/** The protocol of the connection's upgrade. */
export const PEER_PROTOCOL = "kubelambda-peer";
/** uid of the pod of the replica that calls. */
export const REPLICA_HEADER = "x-kubelambda-replica";
