/** An external extension as a shell script: registers under its file's name and writes each event that it gets into a file. */
export function shellExtension(file: string): string {
  return `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
seen="\${TMPDIR:-/tmp}/${file}.seen"
id="$(curl -sS -o /dev/null -D - -H "Lambda-Extension-Name: ${file}" -d '{"events":["INVOKE","SHUTDOWN"]}' "$api/register" |
  sed -n 's/^[Ll]ambda-[Ee]xtension-[Ii]dentifier: *\\([^[:space:]]*\\).*/\\1/p')"
echo "$$ registered" > "$seen"
while event="$(curl -sS -H "Lambda-Extension-Identifier: $id" "$api/event/next")"; do
  kind="$(echo "$event" | tr -d '\\n' | sed 's/.*"eventType":"\\([A-Z]*\\)".*/\\1/')"
  echo "$kind" >> "$seen"
  echo "${file} saw an event"
done
`;
}
