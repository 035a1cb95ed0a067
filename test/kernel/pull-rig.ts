/** An image store that pulls from a scripted registry: what tests of pulls share. */
import { pullImage } from '../../src/images/pull/pull.ts';
import { createRegistryAccess, type RegistryAccess } from '../../src/images/registry/access.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import { createTransport, type Transport } from '../../src/images/registry/transport.ts';
import type { PulledImage, PullOptions } from '../../src/images/remote.ts';
import { parseReference } from '../../src/spec/reference.ts';
import type { ScriptedRegistry } from '../fakes/scripted-registry.ts';
import type { HandImage, ImageFixture } from './image-fixture.ts';

/** Puts an image into a registry under a tag. */
export function serveImage(registry: ScriptedRegistry, tag: string, image: HandImage): void {
  for (const blob of [image.config, ...image.layers]) registry.addBlob(blob);
  const { mediaType } = image.manifestDescriptor;
  registry.addDocument(tag, { mediaType, bytes: image.manifest });
}

/** One way to registries, without waits between retries; close it. */
export class PullRig {
  readonly access: RegistryAccess;
  readonly #fixture: ImageFixture;
  readonly #transport: Transport;

  /** `registries`: as in the configuration file. */
  constructor(fixture: ImageFixture, registries: object = {}) {
    this.#fixture = fixture;
    this.#transport = createTransport();
    const sleep = (): Promise<void> => Promise.resolve();
    this.access = createRegistryAccess({
      config: parseRegistryConfig(JSON.stringify({ registries })),
      transport: this.#transport,
      nowMs: () => 0,
      retry: { clock: { nowMs: () => 0, dice: () => 0, sleep } },
    });
  }

  async pull(name: string, options: Partial<PullOptions> = {}): Promise<PulledImage> {
    const { images, content } = this.#fixture;
    const host = { os: 'linux', architecture: 'amd64' };
    const admit = (): Promise<void> => Promise.resolve();
    return await pullImage(
      { images, content, access: this.access, host, admit },
      { reference: parseReference(name), credentials: undefined, ...options },
    );
  }

  [Symbol.dispose](): void {
    this.#transport.close();
  }
}
