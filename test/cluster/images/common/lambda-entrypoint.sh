#!/bin/sh
# What AWS's base images start: one argument, the handler; the platform has to serve the Runtime API.
if [ $# -ne 1 ]; then
  echo "entrypoint requires the handler name to be the first argument" 1>&2
  exit 142
fi
export _HANDLER="$1"
if [ -z "${AWS_LAMBDA_RUNTIME_API-}" ]; then
  echo "AWS_LAMBDA_RUNTIME_API is not set, and this image carries no emulator" 1>&2
  exit 1
fi
exec /var/runtime/bootstrap
