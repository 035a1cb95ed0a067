import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import { Router } from './router.ts';

function sample(): Router<string> {
  const router = new Router<string>();
  for (const [method, path] of [
    ['GET', '/_ping'],
    ['GET', '/images/json'],
    ['GET', '/images/get'],
    ['GET', '/images/{name}/json'],
    ['GET', '/images/{name}/get'],
    ['DELETE', '/images/{name}'],
    ['POST', '/images/{name}/push'],
    ['GET', '/containers/{name}/attach/ws'],
    ['POST', '/containers/{name}/attach'],
    ['POST', '/carve/plan/run'],
    ['POST', '/carve/plan/start/{name}'],
    ['POST', '/carve/plan/exec/{name}'],
  ] as const) {
    router.add(method, path, `${method} ${path}`);
  }
  return router;
}

test('Router finds routes, with greedy names anchored on the suffix', () => {
  const router = sample();
  const rows: [string, string, string | undefined, string?][] = [
    ['GET', '/_ping', 'GET /_ping', ''],
    ['GET', '/images/json', 'GET /images/json', ''],
    ['GET', '/images/get', 'GET /images/get', ''],
    ['GET', '/images/alpine/json', 'GET /images/{name}/json', 'alpine'],
    ['GET', '/images/ghcr.io/a/b:1/json', 'GET /images/{name}/json', 'ghcr.io/a/b:1'],
    ['GET', '/images/a%2Fb/json', 'GET /images/{name}/json', 'a/b'],
    ['GET', '/images/json/json', 'GET /images/{name}/json', 'json'],
    ['GET', '/images/get/get', 'GET /images/{name}/get', 'get'],
    ['GET', '/images/a/json/get', 'GET /images/{name}/get', 'a/json'],
    ['DELETE', '/images/json', 'DELETE /images/{name}', 'json'],
    [
      'DELETE',
      '/images/localhost:5000/x@sha256:12',
      'DELETE /images/{name}',
      'localhost:5000/x@sha256:12',
    ],
    ['POST', '/images/a/b/push', 'POST /images/{name}/push', 'a/b'],
    ['GET', '/containers/web/attach/ws', 'GET /containers/{name}/attach/ws', 'web'],
    ['POST', '/containers//web/attach', 'POST /containers/{name}/attach', '/web'],
    ['POST', '/carve/plan/run', 'POST /carve/plan/run', ''],
    ['POST', '/carve/plan/exec/web', 'POST /carve/plan/exec/{name}', 'web'],
    ['GET', '/images//json', undefined],
    ['GET', '/images/', undefined],
    ['DELETE', '/images/', undefined],
    ['GET', '/images', undefined],
    ['GET', '/images/alpine', undefined],
    ['POST', '/_ping', undefined],
    ['GET', '/_ping/', undefined],
    ['GET', '/', undefined],
    ['GET', '', undefined],
    ['GET', '/nowhere/at/all', undefined],
    ['GET', '/imagesx/a/json', undefined],
    ['GET', '/__proto__/x/json', undefined],
  ];
  for (const [method, path, route, name] of rows) {
    const match = router.find(method, path);
    assert.equal(match?.route, route, `${method} ${path}`);
    if (route !== undefined) assert.equal(match?.name, name, `${method} ${path}`);
  }
});

test('Router refuses names that are badly encoded or hold control characters', () => {
  const router = sample();
  for (const name of ['%', '%zz', '%c0%af', 'a%00b', 'a%0ab', '%7f', 'a%0d%0aX: y']) {
    assert.throws(
      () => router.find('GET', `/images/${name}/json`),
      (error) => isEngineError(error) && error.kind === 'invalid',
      name,
    );
  }
});
