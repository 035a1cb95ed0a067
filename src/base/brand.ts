/**
 * Branded values: a string or number that passed one validator, so that an
 * unchecked string can never reach a place that makes a path or a URL of it.
 */

declare const brand: unique symbol;

/** `T` that can only be made by the validator of `Name`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** `sha256:` + 64 lower-case hex digits (or sha512 + 128). Made by `spec/digest.ts`. */
export type Digest = Brand<string, 'Digest'>;
/** Digest over the diff ids of a layer and all below it. Source: OCI image-spec 1.1 config.md "Layer ChainID". */
export type ChainId = Brand<string, 'ChainId'>;
/** 64 lower-case hex digits; names one container for its whole life. */
export type ContainerId = Brand<string, 'ContainerId'>;
/** Absolute, normalised path in the host's mount namespace, chosen by carve or its operator. */
export type HostPath = Brand<string, 'HostPath'>;
/** Absolute path inside a container; resolved only below its root by fd. */
export type ContainerPath = Brand<string, 'ContainerPath'>;
