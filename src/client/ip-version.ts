/** 4 or 6 for an address, 0 for any other text. `node:net` is slow to load and few commands name an address: it is loaded then. */
export function ipVersion(text: string): number {
  return process.getBuiltinModule('node:net').isIP(text);
}
