# Sourced with the interpreter's command as arguments: replaces the shell by it, or by the function's wrapper around it.
wrapper=${AWS_LAMBDA_EXEC_WRAPPER-}
if [ -z "$wrapper" ]; then
  exec "$@"
elif [ ! -f "$wrapper" ]; then
  echo "$wrapper: does not exist" 1>&2
  exit 127
elif [ ! -x "$wrapper" ]; then
  echo "$wrapper: is not an executable" 1>&2
  exit 126
fi
exec "$wrapper" "$@"
