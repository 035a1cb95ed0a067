/** A change of a control group as data. */

/** One write to a file of a group. */
export interface CgroupWrite {
  /** Controller whose tree has the file (version 1); empty in version 2. */
  readonly controller: string;
  /** File name. */
  readonly file: string;
  readonly value: string;
  /** The file may be missing (kernel without that feature): then the limit has no effect. */
  readonly isOptional: boolean;
}
