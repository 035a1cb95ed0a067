/** Images in registries, by the distribution API: the implementation of `RemoteImages`. */

import type { ContentStore } from '../../content/store.ts';
import type { Platform } from '../../spec/platform.ts';
import { pullImage } from '../pull/pull.ts';
import { pushImage } from '../push/push.ts';
import type { RemoteImages } from '../remote.ts';
import { admitImage, checkNotDenied, type Admission } from '../signature/admit.ts';
import { ALLOW_ALL_POLICY, type PullPolicy } from '../signature/policy.ts';
import type { ImageStore } from '../store.ts';
import { createRegistryAccess } from './access.ts';
import { openArchive } from './archive.ts';
import { RegistryClient } from './client.ts';
import { EMPTY_REGISTRY_CONFIG, type RegistryConfig } from './config.ts';
import { decodeAuthHeader, decodeLogin } from './credentials.ts';
import { pushEndpoint } from './endpoint.ts';
import { lookAt, tagsOf } from './look.ts';
import { placeIndex } from './place.ts';
import type { ProxySettings } from './proxy.ts';
import { searchRegistry } from './search.ts';
import { createTransport } from './transport.ts';

/** What it works with. */
export interface RegistryImagesOptions {
  readonly images: ImageStore;
  readonly content: ContentStore;
  /** Platform of this machine. */
  readonly host: Platform;
  readonly config?: RegistryConfig;
  /** Which images may be pulled; default: all. */
  readonly policy?: PullPolicy;
  readonly proxies?: ProxySettings;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** Make it; close it. */
export function openRegistryImages(options: RegistryImagesOptions): RemoteImages {
  const { images, content, host, nowMs } = options;
  const transport = createTransport(
    options.proxies === undefined ? {} : { proxies: options.proxies },
  );
  const access = createRegistryAccess({
    config: options.config ?? EMPTY_REGISTRY_CONFIG,
    transport,
    nowMs,
  });
  const policy = options.policy ?? ALLOW_ALL_POLICY;
  const admit = async (image: Admission): Promise<void> => {
    await admitImage(policy, image);
  };
  return {
    decodeAuth: decodeAuthHeader,
    decodeLogin,
    pull: async (request) => {
      checkNotDenied(policy, request.reference);
      return await pullImage({ images, content, access, host, admit }, request);
    },
    push: async (request) => await pushImage({ content, access }, request),
    look: async (question) => await lookAt(access, question),
    tags: async (question) => await tagsOf(access, question),
    place: async (request) => await placeIndex(access, request),
    search: async (request) => await searchRegistry(access, request),
    openArchive: async (url, signal) => await openArchive(transport, url, signal),
    login: async (registry, credentials) => {
      const endpoint = pushEndpoint({ domain: registry, path: '' }, access.config);
      const session = await access.session(endpoint, credentials, true);
      await new RegistryClient(session, { path: '', display: registry }).ping();
      return { identityToken: await session.refreshToken() };
    },
    close: () => {
      transport.close();
    },
  };
}
