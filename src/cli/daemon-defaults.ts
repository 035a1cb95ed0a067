/** Facts about the daemon; apart from what starts it, which few commands need. */

/** Where the engine is when nobody says otherwise, and how it is started. */
export interface DaemonDefaults {
  readonly host: string;
  /** What follows carve's own words, e.g. `daemon`. */
  readonly args: readonly string[];
  /** Gets the daemon's output. */
  readonly logPath: string;
}

/** The daemon of an installed carve. */
export const daemonDefaults: DaemonDefaults = {
  host: 'unix:///run/carve/carve.sock',
  args: ['daemon'],
  logPath: '/var/log/carve/daemon.log',
};
