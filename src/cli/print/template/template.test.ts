import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isEngineError } from '../../../base/error.ts';
import { compileTemplate } from './template.ts';

const data = {
  Name: '/web',
  Count: 3,
  Nano: 1763913645123456789n,
  Ok: true,
  No: false,
  Nothing: null,
  Empty: '',
  State: { Running: true, Pid: 42, Health: null },
  Config: { Cmd: ['sh', '-c', 'a b'], Labels: { b: '2', a: '1', 'x.y': 'z' } },
  Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '53/udp': null },
  Mounts: [{ Source: '/a' }, { Source: '/b' }],
  Label: (key: unknown) => `label ${String(key)}`,
  Evil: 'a\x1b[31mb',
};

const cases: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['{{.Name}}', '/web'],
  ['{{ .Name }}:{{ .Count }}', '/web:3'],
  ['{{.State.Pid}} {{.State.Running}}', '42 true'],
  ['{{.Config.Cmd}}', '[sh -c a b]'],
  ['{{.Config.Labels}}', 'map[a:1 b:2 x.y:z]'],
  ['{{.Nothing}}|{{.Empty}}|{{.State.Missing}}', '[]||<no value>'],
  ['{{.Nano}}', '1763913645123456789'],
  ['{{json .}}'.replace('.', '.State'), '{"Running":true,"Pid":42,"Health":null}'],
  ['{{json .Nano}}', '1763913645123456789'],
  ['{{json .Evil}}', '"a\\u001b[31mb"'],
  ['{{.Evil}}', 'a\\x1b[31mb'],
  ['{{.Config.Cmd | json}}', '["sh","-c","a b"]'],
  ['{{index .Config.Cmd 0}}', 'sh'],
  ['{{index .Config.Labels "x.y"}}|{{index .Config.Labels "none"}}', 'z|'],
  ['{{(index (index .Ports "80/tcp") 0).HostPort}}', '8080'],
  [
    '{{with index .Ports "80/tcp"}}{{range .}}{{.HostIp}}:{{.HostPort}}{{end}}{{end}}',
    '0.0.0.0:8080',
  ],
  ['{{range .Mounts}}{{.Source}} {{end}}', '/a /b '],
  ['{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}};{{end}}', '0=/a;1=/b;'],
  ['{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}', 'a=1 b=2 x.y=z '],
  [
    '{{range $p, $b := .Ports}}{{$p}}{{if $b}}->{{(index $b 0).HostPort}}{{end}} {{end}}',
    '53/udp 80/tcp->8080 ',
  ],
  ['{{range .Nothing}}x{{else}}none{{end}}', 'none'],
  ['{{if .Ok}}yes{{else}}no{{end}} {{if .No}}yes{{else}}no{{end}}', 'yes no'],
  ['{{if .No}}a{{else if .Empty}}b{{else if .Count}}c{{else}}d{{end}}', 'c'],
  ['{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}', 'none'],
  ['{{if and .Ok (gt .Count 2)}}big{{end}}', 'big'],
  ['{{if or .No .Empty}}a{{else}}b{{end}}', 'b'],
  ['{{if not .No}}a{{end}}', 'a'],
  ['{{with .Nothing}}a{{else}}b{{end}}', 'b'],
  [
    '{{eq .Name "/web"}} {{eq .Count 1 2 3}} {{ne .Count 3}} {{lt 1 2}} {{ge 2 2}} {{le 3 2}}',
    'true true false true true false',
  ],
  ['{{len .Config.Cmd}} {{len .Config.Labels}} {{len "üx"}}', '3 3 3'],
  [
    '{{join .Config.Cmd ","}} {{upper "aB"}} {{lower "aB"}} {{title "hello wide world"}}',
    'sh,-c,a b AB ab Hello Wide World',
  ],
  ['{{split "a:b:c" ":"}} {{truncate "abcdef" 3}} [{{pad "x" 1 2}}]', '[a b c] abc [ x  ]'],
  ['{{slice "abcdef" 1 3}} {{slice .Config.Cmd 1}}', 'bc [-c a b]'],
  [
    '{{printf "%s is %d (%v) %05.1f%% %-4s| %4s %q %x" .Name .Count .Ok 12.345 "a" "b" "c" 255}}',
    '/web is 3 (true) 012.3% a   |    b "c" ff',
  ],
  [
    '{{printf "%d" .Nano}} {{printf "%s"}} {{printf "a" 1}}',
    '1763913645123456789 %!s(MISSING) a%!(EXTRA 1)',
  ],
  ['{{print 1 2 "a" 3}} {{println "x" 1}}', '1 2a3 x 1\n'],
  ['{{.Label "k"}} {{"k" | .Label}}', 'label k label k'],
  ['{{$x := .Count}}{{if true}}{{$x = 9}}{{$y := 1}}{{end}}{{$x}} {{$.Name}}', '9 /web'],
  ['{{/* a comment */}}a{{- /* b */ -}} c', 'ac'],
  ['a  {{- .Count -}}  b', 'a3b'],
  ['{{"quoted \\"text\\"\\t\\u00fc"}} {{`raw \\n`}} {{\'a\'}}', 'quoted "text"\tü raw \\n 97'],
  ['{{range 3}}{{.}}{{end}}', '012'],
  ['{{range .Mounts}}{{if eq .Source "/b"}}{{break}}{{end}}{{.Source}}{{end}}', '/a'],
  ['{{range .Mounts}}{{if eq .Source "/a"}}{{continue}}{{end}}{{.Source}}{{end}}', '/b'],
  ['{{urlquery "a b&c"}}', 'a+b%26c'],
  ['{{"}}"}}x', '}}x'],
];

for (const [format, text] of cases) {
  test(`a template gives what Go gives: ${format}`, () => {
    assert.equal(compileTemplate(format).format(data), text);
  });
}

const mistakes: readonly (readonly [string, RegExp])[] = [
  ['{{.Nmae}}', /there is no field "Nmae"; there are Config, Count/],
  ['{{.State.Health.Status}}', /nothing has no field "Status"/],
  ['{{.Name.First}}', /a text has no field "First"/],
  ['{{foo .Name}}', /function "foo" is not defined/],
  ['{{.Name', /not closed/],
  ['{{if .Ok}}', /\{\{if\}\} has no \{\{end\}\}/],
  ['{{end}}', /unexpected \{\{end\}\}/],
  ['{{}}', /has no value/],
  ['{{$x}}', /variable "\$x" is not defined/],
  ['{{$x = 1}}', /variable "\$x" is not defined/],
  ['{{index .Config.Cmd 9}}', /out of range/],
  ['{{lt .Name 1}}', /cannot compare a text and a number/],
  ['{{range .Name}}{{end}}', /range needs a list or a map/],
  ['{{define "x"}}{{end}}', /\{\{define\}\} is not supported/],
  ['{{.Name | .Count}}', /a number takes no arguments/],
  ['{{(.Name}}', /parenthesis is not closed/],
  ['{{.Name)}}', /unexpected "\)"/],
  ['{{;}}', /unexpected ";"/],
  ['{{pad "x" 99999999 0}}', /whole number from 0/],
  ['{{range 2000000}}{{end}}', /range needs|loops too often/],
  [`${'{{if true}}'.repeat(200)}${'{{end}}'.repeat(200)}`, /nested too deeply/],
  [`{{${'('.repeat(200)}1${')'.repeat(200)}}}`, /nested too deeply/],
];

for (const [format, reason] of mistakes) {
  test(`a template says in one sentence what is wrong: ${format.slice(0, 40)}`, () => {
    assert.throws(
      () => compileTemplate(format).format(data),
      (error: unknown) =>
        isEngineError(error) && error.kind === 'invalid' && reason.test(error.message),
    );
  });
}

test('no text makes the template reader fail in another way than its own error', () => {
  const piece = fc.constantFrom(
    '{{',
    '}}',
    '.',
    '$',
    '"',
    '`',
    '(',
    ')',
    '|',
    'if ',
    'end',
    'range ',
    ':=',
    '-',
    ' ',
    'x',
    '1',
    '\\',
    '/*',
    '*/',
    "'",
    'else',
    ',',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      try {
        compileTemplate(pieces.join('')).format(data);
      } catch (error) {
        assert.ok(isEngineError(error), String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('a name of Object.prototype is not a field', () => {
  assert.equal(
    compileTemplate('{{.State.constructor}}|{{index .State "toString"}}').format(data),
    '<no value>|',
  );
});
