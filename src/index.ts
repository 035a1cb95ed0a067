/**
 * carve as a library: an engine inside the program that imports it, with the
 * same operations as the daemon has.
 */

export { createEngine } from './wiring.ts';
export type { CreateEngineOptions } from './wiring.ts';
export { EngineError, isEngineError } from './base/error.ts';
export type { ErrorKind } from './base/error.ts';
export type {
  Attachment,
  AttachOptions,
  ContainerOperations,
  CreateContainer,
  Engine,
  ExecOperations,
  ExplainedPlan,
  ImageOperations,
  NetworkOperations,
  SystemOperations,
  WaitCondition,
  WaitResult,
} from './engine/engine.ts';
export type { ContainerConfig, ExecConfig, HostConfig } from './spec/docker/container.ts';
