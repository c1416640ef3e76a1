// Adding jobs: one by one and in bulk, with every option, and with what is refused or looks as if it should be.

import { ids, shown } from '../job.mjs';

const LATER = 60 * 60_000;

export async function play(stage) {
  const queue = await stage.queue('orders', { streams: { events: { maxLen: 500 } } });
  const add = (label, name, data, opts) =>
    stage.tell(label, async () => shown(await queue.add(name, data, opts)));

  await add('plain', 'plain', { text: 'ünï ✓ / "quoted"', list: [1, 2.5, null, true], empty: [], none: {} });
  await add('no data', 'no data');
  await add('delayed', 'delayed', 1, { delay: LATER });
  await add('prioritised', 'prioritised', 'text', { priority: 5 });
  await add('least urgent', 'least', [], { priority: 2_097_151 });
  await add('last in, first out', 'lifo', null, { lifo: true });
  await add('delayed and prioritised', 'both', {}, { delay: 2 * LATER, priority: 3 });
  await add('retried', 'retried', {}, { attempts: 3, backoff: 1_000 });
  await add(
    'retried with jitter',
    'jitter',
    {},
    { attempts: 3, backoff: { type: 'exponential', delay: 50, jitter: 0.5 } },
  );
  await add('own id', 'own', { first: true }, { jobId: 'own-id' });
  await add('own id again', 'own', { first: false }, { jobId: 'own-id' });
  await add('id of three parts', 'own', {}, { jobId: 'a:b:c' });
  await add('own time', 'old', {}, { timestamp: 1_000_000_000_000 });
  await add(
    'every other option',
    'options',
    {},
    {
      keepLogs: 3,
      stackTraceLimit: 2,
      sizeLimit: 100,
      removeOnComplete: { age: 3600, count: 10, limit: 5 },
      removeOnFail: 7,
      failParentOnFailure: true,
      telemetry: { metadata: 'trace', omitContext: true },
    },
  );
  await add('kept and dropped', 'kept', {}, { removeOnComplete: true, removeOnFail: false });

  await oddities(stage, queue);
  await stage.tell('in bulk', async () => {
    const added = await queue.addBulk([
      { name: 'first', data: { n: 1 } },
      { name: 'second', data: { n: 2 }, opts: { delay: LATER } },
      { name: 'third', data: { n: 3 }, opts: { priority: 1 } },
      { name: 'fourth', data: { n: 4 }, opts: { jobId: 'own-id' } },
      { name: 'fifth', data: { n: 5 }, opts: { lifo: true, attempts: 2 } },
    ]);
    return added.map(shown);
  });
  await stage.tell('an empty bulk', () => queue.addBulk([]));
  await stage.tell('many in bulk', async () => {
    const many = await stage.queue('many');
    const added = await many.addBulk(Array.from({ length: 1_200 }, (_, n) => ({ name: 'n', data: { n } })));
    const [first, last] = await Promise.all([many.getWaiting(0, 2), many.getWaiting(-2, -1)]);
    return {
      added: added.length,
      last: added.at(-1).id,
      counts: await many.getJobCounts(),
      first: ids(first),
      end: ids(last),
    };
  });
  await stage.tell('counts', () => queue.getJobCounts());
  await stage.dump('keys', 'orders');
  await defaults(stage);
}

async function oddities(stage, queue) {
  const odd = (label, opts, data = {}) =>
    stage.tell(`odd: ${label}`, async () => shown(await queue.add('bad', data, opts)));
  await odd('id of digits', { jobId: '123' });
  await odd('id of two parts', { jobId: 'a:b' });
  await odd('id 0:', { jobId: '0:1' });
  await odd('priority too high', { priority: 2_097_152 });
  await odd('negative priority', { priority: -1 });
  await odd('broken priority', { priority: 1.5 });
  await odd('too large', { sizeLimit: 5 }, { long: 'text' });
  await odd('negative delay', { delay: -1 });
  await odd('delayed and repeated', { delay: 5, repeat: { every: 10, pattern: '* * * * *' } });
  await odd('no parent', { parent: { id: 'nobody', queue: `${stage.prefix}:orders` } });
  await odd('two wishes for the parent', {
    failParentOnFailure: true,
    ignoreDependencyOnFailure: true,
    removeDependencyOnFailure: true,
  });
  await odd('backoff without type', { attempts: 2, backoff: {} });
  await stage.tell('odd: no name', async () => shown(await queue.add('', {})));
  await stage.tell('odd: a queue without a name', () => new stage.bullmq.Queue('', stage.options()).name);
  await stage.tell('odd: a queue with a colon', () => new stage.bullmq.Queue('a:b', stage.options()).name);
}

async function defaults(stage) {
  const defaultJobOptions = {
    attempts: 4,
    removeOnComplete: 5,
    backoff: { type: 'fixed', delay: 10 },
    priority: 2,
  };
  const queue = await stage.queue('defaults', { defaultJobOptions });
  await stage.tell('defaults', async () => shown(await queue.add('a', {})));
  await stage.tell('defaults overridden', async () =>
    shown(await queue.add('b', {}, { attempts: 1, priority: 0 })),
  );
  stage.note('default options', queue.defaultJobOptions);
  stage.note('meta values', queue.metaValues);
  await stage.tell('meta', () => queue.getMeta());
  await stage.tell('version', () => queue.getVersion());
  const silent = await stage.queue('silent', { skipMetasUpdate: true });
  await stage.tell('no meta of its own', async () => [await silent.getVersion(), await silent.getMeta()]);
  await stage.dump('keys of defaults', 'defaults', 'silent');
}
