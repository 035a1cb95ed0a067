import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import type { ExecutionConfig } from '../spec/oci/image.ts';
import { applyChanges } from './changes.ts';
import { splitWords, unquote } from './words.ts';

const GOOD: readonly (readonly [
  change: string,
  before: ExecutionConfig,
  after: ExecutionConfig,
])[] = [
  ['CMD ["a","b c"]', {}, { Cmd: ['a', 'b c'] }],
  ['cmd echo hi', {}, { Cmd: ['/bin/sh', '-c', 'echo hi'] }],
  [
    'CMD echo hi',
    { Shell: ['/bin/bash', '-c'] },
    { Shell: ['/bin/bash', '-c'], Cmd: ['/bin/bash', '-c', 'echo hi'] },
  ],
  ['CMD [broken', {}, { Cmd: ['/bin/sh', '-c', '[broken'] }],
  ['CMD', { Cmd: ['x'] }, { Cmd: [] }],
  ['ENTRYPOINT ["/init"]', {}, { Entrypoint: ['/init'] }],
  ['ENV A=1 B="x y" C=\'$z\' D=a\\ b', {}, { Env: ['A=1', 'B=x y', 'C=$z', 'D=a b'] }],
  [
    'ENV PATH=$PATH:/x B="${PATH}/y" C=\'$PATH\' D=\\$PATH E=$ F=$1',
    { Env: ['PATH=/bin'] },
    { Env: ['PATH=/bin:/x', 'B=/bin/y', 'C=$PATH', 'D=$PATH', 'E=$', 'F=$1'] },
  ],
  ['ENV B a $A', { Env: ['A=1=2'] }, { Env: ['A=1=2', 'B=a 1=2'] }],
  [
    'ENV B=${A:-x$C}${E:-y}${E-z}${C:+c}${A:+d}$A.',
    { Env: ['C=1', 'E='] },
    { Env: ['C=1', 'E=', 'B=x1yc.'] },
  ],
  ['WORKDIR $A/b', { Env: ['A=/a'] }, { Env: ['A=/a'], WorkingDir: '/a/b' }],
  ['EXPOSE ${P}/udp', { Env: ['P=53'] }, { Env: ['P=53'], ExposedPorts: { '53/udp': {} } }],
  ['VOLUME ["$A"]', { Env: ['A=/a'] }, { Env: ['A=/a'], Volumes: { '/a': {} } }],
  ['CMD $A', { Env: ['A=/a'] }, { Env: ['A=/a'], Cmd: ['/bin/sh', '-c', '$A'] }],
  ['ENTRYPOINT ["/init"]', { Cmd: ['old'] }, { Entrypoint: ['/init'] }],
  ['CMD a\nENTRYPOINT ["/init"]', {}, { Cmd: ['/bin/sh', '-c', 'a'], Entrypoint: ['/init'] }],
  ['ENTRYPOINT []', { Cmd: ['old'], Entrypoint: ['x'] }, { Cmd: ['old'], Entrypoint: [] }],
  ['ENV A the rest', {}, { Env: ['A=the rest'] }],
  ['ENV A=2', { Env: ['A=1', 'B=1'] }, { Env: ['A=2', 'B=1'] }],
  ['ENV A=', { Env: null }, { Env: ['A='] }],
  ['EXPOSE 80 443/TCP 53/udp', {}, { ExposedPorts: { '80/tcp': {}, '443/tcp': {}, '53/udp': {} } }],
  [
    'EXPOSE 8000-8002',
    { ExposedPorts: { '1/tcp': {} } },
    { ExposedPorts: { '1/tcp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} } },
  ],
  ['LABEL a=1 "b c"="d e"', { Labels: { z: '0' } }, { Labels: { z: '0', a: '1', 'b c': 'd e' } }],
  ['ONBUILD RUN make', {}, { OnBuild: ['RUN make'] }],
  ['SHELL ["/bin/bash"]', {}, { Shell: ['/bin/bash'] }],
  ['STOPSIGNAL SIGINT', {}, { StopSignal: 'SIGINT' }],
  ['USER app:app', {}, { User: 'app:app' }],
  ['VOLUME /a /b', {}, { Volumes: { '/a': {}, '/b': {} } }],
  ['VOLUME ["/a b"]', {}, { Volumes: { '/a b': {} } }],
  ['WORKDIR /srv', {}, { WorkingDir: '/srv' }],
  ['WORKDIR app', { WorkingDir: '/srv' }, { WorkingDir: '/srv/app' }],
  ['WORKDIR "../../../x y"', { WorkingDir: '/srv' }, { WorkingDir: '/x y' }],
  ['HEALTHCHECK NONE', {}, { Healthcheck: { Test: ['NONE'] } }],
  [
    'HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f x',
    {},
    { Healthcheck: { Test: ['CMD-SHELL', 'curl -f x'], Interval: 90e9, Retries: 3 } },
  ],
  [
    'HEALTHCHECK --timeout=500ms --start-period=0.5s CMD ["a"]',
    {},
    { Healthcheck: { Test: ['CMD', 'a'], Timeout: 500e6, StartPeriod: 500e6 } },
  ],
  ['USER a\nWORKDIR /b', {}, { User: 'a', WorkingDir: '/b' }],
];
for (const [change, before, after] of GOOD) {
  test(`applyChanges() takes ${JSON.stringify(change)}`, () => {
    assert.deepEqual(applyChanges(before, [change]), after);
  });
}

const BAD: readonly (readonly [change: string, message: RegExp])[] = [
  ['RUN x', /^run is not a valid change command/],
  ['FROM x', /not a valid change command/],
  ['constructor x', /not a valid change command/],
  ['ENV', /requires at least one argument/],
  ['ENV A', /must have two arguments/],
  ['ENV A="x', /quote is not closed/],
  ['ENV A=1 B', /is not KEY=VALUE/],
  ['ENV =1', /is not KEY=VALUE/],
  ['EXPOSE x', /"x" is not a port/],
  ['EXPOSE 70000', /is not a port/],
  ['EXPOSE 90-80', /is not a port/],
  ['EXPOSE 80/ip', /is not a port/],
  ['LABEL', /requires at least one argument/],
  ['USER a b', /exactly one argument/],
  ['USER', /at least one argument/],
  ['SHELL bash', /must be a JSON list/],
  ['STOPSIGNAL', /at least one argument/],
  ['VOLUME', /at least one argument/],
  ['WORKDIR', /at least one argument/],
  ['HEALTHCHECK', /at least one argument/],
  ['HEALTHCHECK x', /NONE or CMD/],
  ['HEALTHCHECK --interval=x CMD a', /not a duration/],
  ['HEALTHCHECK --retries=-1 CMD a', /not a count/],
  ['HEALTHCHECK --__proto__=1 CMD a', /NONE or CMD/],
  ['HEALTHCHECK --other=1 CMD a', /--other is not a flag/],
];
for (const [change, message] of BAD) {
  test(`applyChanges() refuses ${JSON.stringify(change)}`, () => {
    assert.throws(
      () => applyChanges({}, [change]),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
    );
  });
}

test('changes apply in order and blank lines are nothing', () => {
  assert.deepEqual(applyChanges({}, ['ENV A=1', '', '  ', 'ENV A=2']), { Env: ['A=2'] });
});

test('splitWords() and unquote() take quotes and escapes as a Dockerfile does', () => {
  assert.deepEqual(splitWords(`a "b c" 'd e' f\\ g h"i j"k`), [
    'a',
    '"b c"',
    "'d e'",
    'f\\ g',
    'h"i j"k',
  ]);
  assert.equal(splitWords('"a'), undefined);
  assert.deepEqual(
    ['"b c"', "'d\\e'", 'f\\ g', 'h"i j"k', '"a\\n\\"b"'].map((word) => unquote(word)),
    ['b c', 'd\\e', 'f g', 'hi jk', 'a\\n"b'],
  );
});
