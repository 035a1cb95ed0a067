/**
 * Images as a client's version knows them.
 * Source: Docker Engine API, version history; engine-api facts 1.2, 6.2, 6.3.
 */

import type { ContainerConfig } from '../../spec/docker/container.ts';
import type { ImageInspect, ImageSummary } from '../../spec/docker/image.ts';

/** Fields of a configuration that belong to containers, as images showed them before 1.50. */
const containerOnly = {
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};

/** What of a configuration is an image's, from 1.50 on. */
const imageFields: readonly (keyof ContainerConfig)[] = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'OnBuild',
  'Shell',
  'ArgsEscaped',
];

/** One row of `GET /images/json`. `manifests`: the client asked for them. */
export function shapeImageSummary(
  image: ImageSummary,
  version: number,
  manifests: boolean,
): object {
  const { Manifests, Descriptor, ...rest } = image;
  return {
    ...rest,
    ...(version < 43 ? placeholders(image) : {}),
    ...(version < 44 ? { VirtualSize: image.Size } : {}),
    ...(version >= 48 && Descriptor !== undefined ? { Descriptor } : {}),
    ...(version >= 47 && manifests && Manifests !== undefined ? { Manifests } : {}),
  };
}

/** Answer of `GET /images/{name}/json`. `manifests`: the client asked for them. */
export function shapeImageInspect(
  image: ImageInspect,
  version: number,
  manifests: boolean,
): object {
  const { Manifests, Descriptor, ...rest } = image;
  return {
    ...rest,
    Config: shapeConfig(image.Config, version),
    ...(version < 44 ? { VirtualSize: image.Size } : {}),
    ...(version < 45 ? { Container: '', ContainerConfig: shapeConfig({}, version) } : {}),
    ...(version >= 48 && Descriptor !== undefined ? { Descriptor } : {}),
    ...(version >= 48 && manifests && Manifests !== undefined ? { Manifests } : {}),
  };
}

function shapeConfig(config: ContainerConfig | null, version: number): object | null {
  if (config === null) return null;
  if (version < 50) {
    return {
      ...containerOnly,
      User: '',
      Env: null,
      Cmd: null,
      Volumes: null,
      WorkingDir: '',
      Entrypoint: null,
      OnBuild: null,
      Labels: null,
      ...config,
    };
  }
  return Object.fromEntries(
    imageFields.flatMap((field) => (config[field] === undefined ? [] : [[field, config[field]]])),
  );
}

/** Before 1.43 an image without a name had the name `<none>`. */
function placeholders(image: ImageSummary): object {
  return {
    RepoTags: image.RepoTags.length === 0 ? ['<none>:<none>'] : image.RepoTags,
    RepoDigests: image.RepoDigests.length === 0 ? ['<none>@<none>'] : image.RepoDigests,
  };
}
