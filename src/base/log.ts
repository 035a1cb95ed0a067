/** What the engine says to its operator. Injected; tests collect it. */

/** Facts of one message; values are printed as JSON. */
export type LogFacts = Readonly<Record<string, unknown>>;

/** Where messages go. Never throws. */
export interface Log {
  debug(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  warn(message: string, facts?: LogFacts): void;
  error(message: string, facts?: LogFacts): void;
}

/** Says nothing. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
