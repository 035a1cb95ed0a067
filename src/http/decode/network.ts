/**
 * Decoders of the bodies about networks.
 * Source: Docker Engine API 1.51, `NetworkCreateRequest`, `NetworkConnectRequest`, `NetworkDisconnectRequest`.
 */

import type {
  Ipam,
  IpamConfig,
  NetworkConnectBody,
  NetworkCreateBody,
  NetworkDisconnectBody,
} from '../../spec/docker/network.ts';
import { endpointSettings } from './container.ts';
import { boolean, type Decode, list, map, object, text } from './shape.ts';

/** Body of `POST /networks/create`. */
export const networkCreateBody: Decode<NetworkCreateBody> = object<NetworkCreateBody>({
  Name: text,
  CheckDuplicate: boolean,
  Driver: text,
  Scope: text,
  Internal: boolean,
  Attachable: boolean,
  Ingress: boolean,
  ConfigOnly: boolean,
  ConfigFrom: object<NonNullable<NetworkCreateBody['ConfigFrom']>>({ Network: text }),
  IPAM: object<Ipam>({
    Driver: text,
    Config: list(
      object<IpamConfig>({
        Subnet: text,
        IPRange: text,
        Gateway: text,
        AuxiliaryAddresses: map(text),
      }),
    ),
    Options: map(text),
  }),
  EnableIPv4: boolean,
  EnableIPv6: boolean,
  Options: map(text),
  Labels: map(text),
});

/** Body of `POST /networks/{id}/connect`. */
export const networkConnectBody: Decode<NetworkConnectBody> = object<NetworkConnectBody>({
  Container: text,
  EndpointConfig: endpointSettings,
});

/** Body of `POST /networks/{id}/disconnect`. */
export const networkDisconnectBody: Decode<NetworkDisconnectBody> = object<NetworkDisconnectBody>({
  Container: text,
  Force: boolean,
});
