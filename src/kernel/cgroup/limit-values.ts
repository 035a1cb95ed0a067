/**
 * Small conversions that both versions share.
 *
 * Source: Linux cgroup-v2.rst, cgroup-v1/{pids,rdma}.rst.
 */

import type { LinuxBlockIo, LinuxRdma, LinuxThrottleDevice } from '../../spec/oci/resources.ts';

/** Any negative number is no limit. */
export function pidsValue(limit: number): string {
  return limit < 0 ? 'max' : String(limit);
}

/** `mlx4_0 hca_handle=2 hca_object=2000` */
export function rdmaValue(device: string, { hcaHandles, hcaObjects }: LinuxRdma): string {
  const parts = [device];
  if (hcaHandles !== undefined) parts.push(`hca_handle=${hcaHandles}`);
  if (hcaObjects !== undefined) parts.push(`hca_object=${hcaObjects}`);
  return parts.join(' ');
}

/** The lists of throttles, by what they limit. */
export type ThrottleKey =
  | 'throttleReadBpsDevice'
  | 'throttleWriteBpsDevice'
  | 'throttleReadIOPSDevice'
  | 'throttleWriteIOPSDevice';

/** Throttles with the word that a version's files have for them. */
export function throttlesOf(
  io: LinuxBlockIo,
  words: Readonly<Record<ThrottleKey, string>>,
): readonly { readonly word: string; readonly device: LinuxThrottleDevice }[] {
  return THROTTLE_KEYS.flatMap((key) =>
    (io[key] ?? []).map((device) => ({ word: words[key], device })),
  );
}

const THROTTLE_KEYS: readonly ThrottleKey[] = [
  'throttleReadBpsDevice',
  'throttleWriteBpsDevice',
  'throttleReadIOPSDevice',
  'throttleWriteIOPSDevice',
];

/** A limit that was given; Docker's clients send 0 for "unset". */
export function isSet(value: number | undefined): value is number {
  return value !== undefined && value !== 0;
}

/** What hands controllers down: `+cpu +memory`. */
export function enableText(controllers: readonly string[]): string {
  return controllers.map((name) => `+${name}`).join(' ');
}
