/** One repository at one endpoint: paths, scopes and words that its requests share. Pure. */

import type { SessionRequest } from './session.ts';

/** Options of every call. */
export interface RegistryCallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Which repository, and how the user named it. */
export interface RepositoryName {
  /** Path below the registry. */
  readonly path: string;
  /** For messages. */
  readonly display: string;
}

/** A request of a repository before what is common is added. */
export type RepositoryRequest = Omit<SessionRequest, 'scopes' | 'action' | 'signal'> & {
  /** Repository paths a blob is taken over from. */
  readonly from?: string;
};

/** `/v2/NAME`. */
export function basePath(name: RepositoryName): string {
  return `/v2/${name.path}`;
}

/** A request that reads. */
export function pulling(
  name: RepositoryName,
  request: RepositoryRequest,
  options?: RegistryCallOptions,
): SessionRequest {
  return {
    ...request,
    scopes: [`repository:${name.path}:pull`],
    action: `pull ${name.display}`,
    signal: options?.signal,
  };
}

/** A request that writes. */
export function pushing(
  name: RepositoryName,
  request: RepositoryRequest,
  options?: RegistryCallOptions,
): SessionRequest {
  const scopes = [`repository:${name.path}:pull,push`];
  if (request.from !== undefined) scopes.push(`repository:${request.from}:pull`);
  return { ...request, scopes, action: `push ${name.display}`, signal: options?.signal };
}
