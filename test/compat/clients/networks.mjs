/** What dockerode sees of networks, as one line of JSON. */

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

const made = await docker.createNetwork({
  Name: 'lan',
  Labels: { a: 'b' },
  EnableIPv6: false,
  IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] },
});
const lan = docker.getNetwork('lan');
const { Name, Driver, Scope, Labels, IPAM, EnableIPv6, Containers } = await lan.inspect();
const container = await docker.createContainer({
  Image: 'busybox',
  name: 'joined',
  Cmd: ['true'],
  HostConfig: { NetworkMode: 'lan' },
  NetworkingConfig: {
    EndpointsConfig: { lan: { IPAMConfig: { IPv4Address: '10.77.0.9' }, Aliases: ['alias'] } },
  },
});
const other = await docker.createNetwork({ Name: 'other' });
await other.connect({ Container: 'joined', EndpointConfig: { Aliases: ['b'] } });
const { Networks } = (await container.inspect()).NetworkSettings;
const seen = {
  inspected: { Name, Driver, Scope, Labels, IPAM, EnableIPv6, Containers },
  listed: (await docker.listNetworks({ filters: { label: ['a=b'] } })).map((one) => one.Name),
  networks: Object.entries(Networks).map(([name, { IPAMConfig, Aliases, NetworkID }]) => [
    name,
    IPAMConfig,
    Aliases,
    NetworkID === (name === 'lan' ? made.id : other.id),
  ]),
  found: (await docker.listContainers({ all: true, filters: { network: ['other'] } })).length,
  absent: await statusOf(() => docker.getNetwork('nope').inspect()),
  taken: await statusOf(() => docker.createNetwork({ Name: 'lan' })),
  overlapping: await statusOf(() =>
    docker.createNetwork({ Name: 'n', IPAM: { Config: [{ Subnet: '10.77.0.0/16' }] } }),
  ),
  predefined: await statusOf(() => docker.getNetwork('none').remove()),
  twice: await statusOf(() => lan.connect({ Container: 'joined' })),
};
await other.disconnect({ Container: 'joined' });
await container.remove();
const { NetworksDeleted } = await docker.pruneNetworks();
process.stdout.write(JSON.stringify({ ...seen, pruned: NetworksDeleted }));
