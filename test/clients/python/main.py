"""A handler that does what the event's `act` says; CLIENT_INIT chooses how the module loads."""

import logging
import os
import signal
import sys
import time

logger = logging.getLogger()

if os.environ.get("CLIENT_INIT") == "throw":
    raise ValueError("no good start")
if os.environ.get("CLIENT_INIT") == "exit":
    os._exit(3)


def handler(event, context):
    # What is no JSON comes as bytes.
    if isinstance(event, bytes):
        return {"bytes": len(event)}
    return acts[event["act"]](event, context)


def describe(event, context):
    custom = context.client_context.custom if context.client_context else {}
    return {
        "requestId": context.aws_request_id,
        "remainingMs": context.get_remaining_time_in_millis(),
        "functionArn": context.invoked_function_arn,
        "functionName": context.function_name,
        "functionVersion": context.function_version,
        "memoryMB": int(context.memory_limit_in_mb),
        "logGroup": context.log_group_name,
        "logStream": context.log_stream_name,
        "client": custom.get("who"),
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }


def throw(event, context):
    raise ValueError("no good")


def recurse(depth):
    return recurse(depth + 1) + 1


def kill(event, context):
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def log(event, context):
    logger.debug("too quiet")
    logger.info("one line\nand a second one")
    try:
        throw(event, context)
    except ValueError:
        logger.exception("told")
    return "logged"


acts = {
    "echo": lambda event, context: event["value"],
    "measure": lambda event, context: len(event["pad"]),
    "repeat": lambda event, context: "x" * event["count"],
    "bytes": lambda event, context: b"\x00\x01\xff",
    "unfit": lambda event, context: {1, 2},
    "nothing": lambda event, context: None,
    "pid": lambda event, context: os.getpid(),
    "context": describe,
    "throw": throw,
    "exit": lambda event, context: os._exit(event["status"]),
    "leave": lambda event, context: sys.exit(event["status"]),
    "kill": kill,
    "sleep": lambda event, context: time.sleep(60),
    "recurse": lambda event, context: recurse(0),
    "log": log,
}
