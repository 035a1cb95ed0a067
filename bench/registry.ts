/**
 * A registry on loopback for the bench (Debian's docker-registry), with images
 * in it that are put there by plain requests and no engine.
 *
 * Source: OCI distribution-spec 1.1.1 "Push"; OCI image-spec 1.1.1.
 */

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** Port of the registry, the same in every network namespace. */
const PORT = 5973;
/** The repository of the images of {@link putImage}; their tags are their names. */
export const REPOSITORY: string = `127.0.0.1:${PORT}/bench/images`;

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
const BASE = `http://127.0.0.1:${PORT}/v2/bench/images`;

/** A running registry. */
export interface RegistryUnderTest {
  stop(): Promise<void>;
}

/** Whether Debian's docker-registry is installed. */
export function hasRegistry(): boolean {
  return spawnSync('docker-registry', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Starts a registry on `folder`; `namespacePid`: in the network namespace of that process. */
export async function startRegistry(
  folder: string,
  namespacePid: number = process.pid,
): Promise<RegistryUnderTest> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'config.yml');
  const lines = [
    'version: 0.1',
    'log: {level: error, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${join(folder, 'data')}}}`,
    `http: {addr: "127.0.0.1:${PORT}"}`,
  ];
  writeFileSync(file, lines.join('\n'));
  const inside = ['--target', String(namespacePid), '--net'];
  const child = spawn('nsenter', [...inside, 'docker-registry', 'serve', file], {
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  const probe = [...inside, 'bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${PORT}`];
  while (spawnSync('nsenter', probe, { stdio: 'ignore' }).status !== 0) {
    if (child.exitCode !== null)
      throw new Error(`docker-registry on port ${PORT} ended with ${child.exitCode}`);
    await pause(50);
  }
  return {
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Puts an image whose layers are the files of tar.gz, base first. */
export async function putImage(tag: string, archives: readonly string[]): Promise<void> {
  const layers: object[] = [];
  const diffIds: string[] = [];
  for (const archive of archives) {
    const digest = await digestOf(createReadStream(archive));
    const { size } = statSync(archive);
    await putBlob(digest, createReadStream(archive, { highWaterMark: 1 << 20 }), size);
    layers.push({ mediaType: LAYER_TYPE, digest, size });
    diffIds.push(await digestOf(createReadStream(archive).pipe(createGunzip())));
  }
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIds },
      config: { Cmd: ['sh'] },
    }),
  );
  const configDigest = await digestOf(Readable.from([config]));
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: configDigest, size: config.length },
    layers,
  };
  await putBlob(configDigest, Readable.from([config]), config.length);
  const body = Buffer.from(JSON.stringify(manifest));
  await put(`${BASE}/manifests/${tag}`, Readable.from([body]), {
    'Content-Type': MANIFEST_TYPE,
    'Content-Length': body.length,
  });
}

async function digestOf(bytes: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytes as AsyncIterable<Buffer>) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

async function putBlob(digest: string, bytes: Readable, sizeBytes: number): Promise<void> {
  const opened = await fetch(`${BASE}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(opened.headers.get('location') ?? '', BASE);
  location.searchParams.set('digest', digest);
  await put(location.href, bytes, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': sizeBytes,
  });
}

function put(
  url: string,
  body: Readable,
  headers: Readonly<Record<string, string | number>>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const out = request(url, { method: 'PUT', headers }, (answer) => {
      answer.resume();
      if (answer.statusCode === 201) resolve();
      else reject(new Error(`PUT ${url} answered ${answer.statusCode}`));
    });
    out.on('error', reject);
    body.pipe(out);
  });
}
