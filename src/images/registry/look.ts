/**
 * Looking into a registry: what a reference leads to, and which tags there
 * are. Nothing is stored.
 *
 * Source: OCI distribution-spec 1.1.1 (end-3, end-8a); Engine API `/distribution`.
 */

import { isEngineError } from '../../base/error.ts';
import type { Descriptor, DescriptorPlatform } from '../../spec/oci/image.ts';
import { formatFamiliar, withDefaultTag } from '../../spec/reference.ts';
import {
  DOCUMENT_MAX_BYTES,
  mediaTypeOf,
  parseConfig,
  parseTarget,
  type TargetDocument,
} from '../documents.ts';
import type { RemoteDocument, RemoteQuestion } from '../remote.ts';
import type { RegistryAccess } from './access.ts';
import type { RegistryClient } from './client.ts';
import { openedAs, pullEndpoints, type Endpoint } from './endpoint.ts';
import { askInOrder } from './mirrors.ts';
import { readBounded } from './read.ts';

/** What a reference leads to. */
export async function lookAt(
  access: RegistryAccess,
  question: RemoteQuestion,
): Promise<RemoteDocument> {
  const reference = withDefaultTag(question.reference);
  return await ask(access, { ...question, reference }, async (client) => {
    const { signal } = question;
    const remote = await client.getManifest(reference.digest ?? reference.tag ?? 'latest', {
      signal,
    });
    const document = parseTarget(remote.bytes, remote.mediaType);
    return {
      descriptor: {
        mediaType: mediaTypeOf(document),
        digest: remote.digest,
        size: remote.bytes.length,
      },
      bytes: remote.bytes,
      platforms: await platformsOf(client, document, signal),
    };
  });
}

/** All tags of a repository. */
export async function tagsOf(
  access: RegistryAccess,
  question: RemoteQuestion,
): Promise<readonly string[]> {
  return await ask(
    access,
    question,
    async (client) => await client.listTags({ signal: question.signal }),
  );
}

async function ask<T>(
  access: RegistryAccess,
  question: RemoteQuestion,
  work: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  const endpoints = pullEndpoints(question.reference, access.config);
  return await askInOrder(endpoints, async (endpoint) => {
    const client = await access.open(openedAs(endpoint, question.isInsecure), {
      display: formatFamiliar(question.reference),
      credentials: credentialsFor(endpoint, question),
    });
    return await work(client);
  });
}

/** A mirror is another host: it never sees the registry's credentials. */
function credentialsFor(
  endpoint: Endpoint,
  question: RemoteQuestion,
): RemoteQuestion['credentials'] {
  return endpoint.isMirror ? undefined : question.credentials;
}

async function platformsOf(
  client: RegistryClient,
  document: TargetDocument,
  signal: AbortSignal | undefined,
): Promise<readonly DescriptorPlatform[]> {
  if (document.kind === 'index')
    return document.index.manifests.flatMap(({ platform }) => platform ?? []);
  const { config } = document.manifest;
  return config.size > DOCUMENT_MAX_BYTES ? [] : await platformOf(client, config, signal);
}

/** The platform a configuration names; none for the configuration of an artifact. */
async function platformOf(
  client: RegistryClient,
  { digest, size }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<readonly DescriptorPlatform[]> {
  const remote = await client.openBlob(digest, { offsetBytes: 0 }, { signal });
  const bytes = await readBounded(remote.body, size, 'the configuration of the image');
  try {
    const config = parseConfig(bytes);
    const { architecture, os, variant } = config;
    const version = config['os.version'];
    return [
      {
        architecture,
        os,
        ...(variant === undefined ? {} : { variant }),
        ...(version === undefined ? {} : { 'os.version': version }),
      },
    ];
  } catch (error) {
    if (isEngineError(error)) return [];
    throw error;
  }
}
