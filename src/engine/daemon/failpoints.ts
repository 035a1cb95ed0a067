/** Failpoints from the environment, for tests of a whole daemon: `CARVE_FAILPOINT=site=[N*]kill|error[,…]`. */

import { EngineError } from '../../base/error.ts';
import type { FailpointRule, Failpoints } from '../../base/failpoint.ts';
import { noFailpoints, parseFailpoint } from '../../base/failpoint.ts';

/** `undefined` or empty text: none. Errors: `invalid`. */
export function envFailpoints(text: string | undefined): Failpoints {
  if (text === undefined || text === '') return noFailpoints;
  const rules = text.split(',').map((part): FailpointRule => {
    const rule = parseFailpoint(part);
    if (rule === undefined)
      throw new EngineError('invalid', `Invalid failpoint ${JSON.stringify(part)}`);
    return rule;
  });
  const passes = new Map<FailpointRule, number>();
  return {
    hit: (site) => {
      for (const rule of rules) if (rule.site === site) act(rule, passes);
    },
  };
}

function act(rule: FailpointRule, passes: Map<FailpointRule, number>): void {
  const pass = (passes.get(rule) ?? 0) + 1;
  passes.set(rule, pass);
  if (pass !== rule.pass) return;
  if (rule.action === 'kill') process.kill(process.pid, 'SIGKILL');
  throw new EngineError('internal', `Failpoint ${rule.site}`);
}
