/** What ends a header's value, or is none. Source: RFC 9110, 5.5. */
const noValue = /[^\t\x20-\x7e\x80-\xff]/;
const noName = /[^!#$%&'*+.^_`|~0-9A-Za-z-]/;

/** With its line break; throws a TypeError for what would be no header, or more than one. */
export function headerLine(name: string, value: string): string {
  if (name === "" || noName.test(name) || noValue.test(value))
    throw new TypeError(`Cannot send the header ${JSON.stringify(name)}: it has bytes that no header may have`);
  return `${name}: ${value}\r\n`;
}
