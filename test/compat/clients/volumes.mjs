/** What dockerode sees of volumes, as one line of JSON. */

import Docker from 'dockerode';

const docker = new Docker({ socketPath: process.env.DOCKER_SOCKET });
const statusOf = async (call) => {
  try {
    await call();
    return 0;
  } catch (error) {
    return error.statusCode;
  }
};

const made = await docker.createVolume({ Name: 'vol', Labels: { a: 'b' } });
const { Name, Driver, Scope, Labels, Options } = await docker.getVolume('vol').inspect();
const container = await docker.createContainer({
  Image: 'busybox',
  Cmd: ['true'],
  HostConfig: { NetworkMode: 'none', Binds: ['vol:/seed'] },
});
const { Mounts } = await container.inspect();
const seen = {
  created: { Name, Driver, Scope, Labels, Options },
  listed: (await docker.listVolumes({ filters: { label: ['a=b'] } })).Volumes.map(
    (each) => each.Name,
  ),
  absent: await statusOf(() => docker.getVolume('nope').inspect()),
  inUse: await statusOf(() => docker.getVolume(made.Name ?? made.name).remove()),
  mounts: Mounts.map(({ Source: _source, Driver: _driver, ...rest }) => rest),
  pruned: await docker.pruneVolumes(),
};
await container.remove({ v: true });
await docker.getVolume('vol').remove();
const { Volumes } = await docker.listVolumes();
process.stdout.write(JSON.stringify({ ...seen, removed: Volumes }));
