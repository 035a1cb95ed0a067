import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { parseReference } from '../../spec/reference.ts';
import { checkNotDenied } from './admit.ts';
import { ALLOW_ALL_POLICY, parsePullPolicy, ruleFor } from './policy.ts';

test('ruleFor() prefers the repository, then the nearest path, then the registry, then everything', () => {
  const policy = parsePullPolicy(
    JSON.stringify({
      repositories: {
        '*': 'deny',
        'docker.io/*': 'allow',
        'docker.io/library/*': { require: { keys: ['/keys/library.pem'] } },
        'docker.io/library/debian': 'allow',
        'Registry.example:443/team/*': {
          require: { keys: ['/a.pem', '/b.pem'], identity: 'repository' },
        },
        'registry.example/team/app/dev': 'allow',
        '[::1]:5000/*': 'allow',
      },
    }),
  );
  const library = { kind: 'require', keys: ['/keys/library.pem'], identity: 'any' };
  const team = { kind: 'require', keys: ['/a.pem', '/b.pem'], identity: 'repository' };
  const rows: readonly (readonly [string, object])[] = [
    ['debian:12', { kind: 'allow' }],
    ['index.docker.io/library/alpine', library],
    ['alpine', library],
    ['user/app', { kind: 'allow' }],
    ['registry.example/team/app', team],
    ['registry.example/team/app/prod@sha256:' + 'a'.repeat(64), team],
    ['REGISTRY.example/team/app', team],
    ['registry.example:443/team/app', team],
    ['registry.example:0443/team/app', team],
    ['registry.example:8443/team/app', { kind: 'deny' }],
    ['registry.example/team', { kind: 'deny' }],
    ['registry.example/teams/app', { kind: 'deny' }],
    ['registry.example/team/app/dev', { kind: 'allow' }],
    ['registry.example/team/app/dev/more', team],
    ['[::1]:5000/x', { kind: 'allow' }],
    ['docker.io.evil.example/library/debian', { kind: 'deny' }],
  ];
  for (const [name, rule] of rows)
    assert.deepEqual(ruleFor(policy, parseReference(name)), rule, name);
});

test('ruleFor() allows what no key speaks of', () => {
  assert.deepEqual(ruleFor(ALLOW_ALL_POLICY, parseReference('debian')), { kind: 'allow' });
  const policy = parsePullPolicy('{"repositories":{"a.example/b":"deny"}}');
  assert.deepEqual(ruleFor(policy, parseReference('a.example/c')), { kind: 'allow' });
});

test('checkNotDenied() says which rule of which repository refuses', () => {
  const policy = parsePullPolicy('{"repositories":{"docker.io/library/*":"deny"}}');
  assert.throws(
    () => checkNotDenied(policy, parseReference('debian:12')),
    (error) =>
      isEngineError(error) &&
      error.kind === 'denied' &&
      error.message ===
        'Cannot pull debian:12: the pull policy denies images of docker.io/library/debian',
  );
});

test('parsePullPolicy() refuses mistakes and names the key', () => {
  const keys = '"keys":["/k"]';
  const cases: readonly (readonly [string, RegExp])[] = [
    ['nope', /not JSON/],
    ['[]', /the file must be an object/],
    ['{}', /repositories of the file must be an object/],
    ['{"default":"deny","repositories":{}}', /unknown key "default"/],
    ['{"repositories":{"debian":"deny"}}', /must begin with a registry/],
    ['{"repositories":{"team/*":"deny"}}', /must begin with a registry/],
    ['{"repositories":{"docker.io/debian":"deny"}}', /must begin with a registry/],
    ['{"repositories":{"a.example":"deny"}}', /must begin with a registry/],
    ['{"repositories":{"a.example/x:1":"deny"}}', /without tag or digest/],
    ['{"repositories":{"a.example/*/x":"deny"}}', /is not a repository/],
    ['{"repositories":{"*.example/*":"deny"}}', /is not a repository/],
    ['{"repositories":{"a.example/x*":"deny"}}', /is not a repository/],
    ['{"repositories":{"a.example/X":"deny"}}', /is not a repository/],
    ['{"repositories":{"":"deny"}}', /is not a repository/],
    ['{"repositories":{"a.b/x":"deny","A.b:443/x":"allow"}}', /another key names already/],
    ['{"repositories":{"a.b/x":"denied"}}', /"allow", "deny" or an object/],
    ['{"repositories":{"a.b/x":true}}', /must be an object/],
    ['{"repositories":{"a.b/x":{}}}', /require must be an object/],
    [`{"repositories":{"a.b/x":{"require":{${keys}},"also":1}}}`, /unknown key "also"/],
    ['{"repositories":{"a.b/x":{"require":{}}}}', /at least one path/],
    ['{"repositories":{"a.b/x":{"require":{"keys":[]}}}}', /at least one path/],
    ['{"repositories":{"a.b/x":{"require":{"keys":["k"]}}}}', /keys\[0\] must be an absolute/],
    [`{"repositories":{"a.b/x":{"require":{${keys},"identity":"x"}}}}`, /identity must be any/],
  ];
  for (const [text, pattern] of cases) {
    assert.throws(
      () => parsePullPolicy(text),
      (error) => isEngineError(error) && error.kind === 'invalid' && pattern.test(error.message),
      text,
    );
  }
});
