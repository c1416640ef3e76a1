// Deduplication: until the end, for a time, extended, replaced, kept for later, rescheduled, and freed by hand.

import { listen, gate } from '../stage.mjs';
import { ids, shown } from '../job.mjs';

const HOUR = 60 * 60_000;

export async function play(stage) {
  await simple(stage);
  await forATime(stage);
  await replaced(stage);
  await rescheduled(stage);
  await lastWins(stage);
  await freed(stage);
}

const adder =
  (queue) =>
  (n, deduplication, opts = {}) =>
    queue.add('job', { n }, { deduplication, ...opts });

async function ttlOf(stage, queue, id) {
  const left = await stage.client.pttl(`${stage.prefix}:${queue}:de:${id}`);
  return left < 0 ? left : left > HOUR ? 'hours' : left > 60_000 ? 'an hour' : 'short';
}

async function simple(stage) {
  const queue = await stage.queue('simple');
  const add = adder(queue);
  await stage.tell('three adds are one', async () =>
    ids([
      await add(1, { id: 'x' }),
      await add(2, { id: 'x' }),
      await add(3, { id: 'y' }),
      await add(4, { id: 'x' }, { delay: HOUR }),
    ]),
  );
  await stage.tell('who owns x', async () => [
    await queue.getDeduplicationJobId('x'),
    await queue.getDeduplicationJobId('z'),
  ]);
  await stage.tell('as debouncing', () => queue.getDebounceJobId?.('x'));
  await stage.tell('the owner', async () => shown(await queue.getJob('1')));
  await stage.dump('keys of simple', 'simple');
  await stage.working('work frees the id', 'simple', async (job) => job.data.n);
  await stage.tell('free again', async () => [
    await queue.getDeduplicationJobId('x'),
    (await add(5, { id: 'x' })).id,
  ]);
  await stage.tell('removal frees it', async () => [await queue.remove('5'), (await add(6, { id: 'x' })).id]);
  await stage.tell('a failure frees it', async () => {
    const said = await stage.work('simple', async () => {
      throw new Error('no');
    });
    return [said, (await add(7, { id: 'x' })).id];
  });
  await stage.tell('in bulk', async () =>
    ids(
      await queue.addBulk(
        [8, 9].map((n) => ({ name: 'job', data: { n }, opts: { deduplication: { id: 'bulk' } } })),
      ),
    ),
  );
  await stage.dump('keys of simple at the end', 'simple');
}

async function forATime(stage) {
  const queue = await stage.queue('for-a-time');
  const add = adder(queue);
  await stage.tell('an hour long', async () => [
    ids([await add(1, { id: 'h', ttl: HOUR }), await add(2, { id: 'h', ttl: 9 * HOUR })]),
    await ttlOf(stage, 'for-a-time', 'h'),
  ]);
  await stage.working('work does not free it', 'for-a-time', async (job) => job.data.n);
  await stage.tell('still taken', async () => [
    (await add(3, { id: 'h', ttl: HOUR })).id,
    await queue.getDeduplicationJobId('h'),
  ]);
  await stage.tell('extended', async () => [
    ids([
      await add(4, { id: 'e', ttl: HOUR, extend: true }),
      await add(5, { id: 'e', ttl: 9 * HOUR, extend: true }),
    ]),
    await ttlOf(stage, 'for-a-time', 'e'),
  ]);
  await stage.tell('over after 20 ms', async () => {
    const first = await add(6, { id: 's', ttl: 20 });
    await stage.until(
      'the id is free',
      async () => !(await stage.client.exists(`${stage.prefix}:for-a-time:de:s`)),
    );
    return ids([first, await add(7, { id: 's', ttl: 9 * HOUR })]);
  });
  await stage.dump('keys for a time', 'for-a-time');
}

async function replaced(stage) {
  const queue = await stage.queue('replaced');
  const add = adder(queue);
  const opts = { delay: HOUR };
  await stage.tell('the last one counts', async () =>
    ids([
      await add(1, { id: 'r', ttl: 9 * HOUR, extend: true, replace: true }, opts),
      await add(2, { id: 'r', ttl: 9 * HOUR, extend: true, replace: true }, opts),
      await add(3, { id: 'r', ttl: 9 * HOUR, replace: true }, { delay: 2 * HOUR }),
    ]),
  );
  await stage.tell('only one left', async () => (await queue.getDelayed()).map(shown));
  await stage.tell('without a time', async () =>
    ids([await add(4, { id: 'q', replace: true }, opts), await add(5, { id: 'q', replace: true }, opts)]),
  );
  await stage.tell('a waiting one is not replaced', async () =>
    ids([await add(6, { id: 'w', replace: true }), await add(7, { id: 'w', replace: true })]),
  );
  await stage.dump('keys of replaced', 'replaced');
}

async function rescheduled(stage) {
  const queue = await stage.queue('rescheduled');
  const add = adder(queue);
  await stage.tell('put off', async () =>
    ids([
      await add(1, { id: 'p', reschedule: true }, { delay: HOUR }),
      await add(2, { id: 'p', reschedule: true }, { delay: 3 * HOUR }),
    ]),
  );
  await stage.tell('one, later', async () => (await queue.getDelayed()).map(shown));
  await stage.dump('keys of rescheduled', 'rescheduled');
}

async function lastWins(stage) {
  const queue = await stage.queue('last-wins');
  const add = adder(queue);
  const deduplication = { id: 'k', keepLastIfActive: true };
  const { open, opened } = gate();
  const worker = await stage.worker('last-wins', async (job) => {
    if (job.data.n === 1) await opened;
    return job.data.n;
  });
  const said = listen(worker);
  await add(1, deduplication);
  worker.run();
  await stage.until('the first runs', async () => (await queue.getActiveCount()) === 1);
  await stage.tell('added meanwhile', async () =>
    ids([await add(2, deduplication), await add(3, deduplication, { priority: 2 })]),
  );
  await stage.dump('keys while the first runs', 'last-wins');
  open();
  await stage.until(
    'all is done',
    async () => (await queue.getCompletedCount()) >= (stage.major > 5 ? 2 : 1),
  );
  await stage.idle('last-wins');
  await worker.close();
  stage.note('what ran', said);
  await stage.tell('completed', async () => (await queue.getCompleted()).map((job) => [job.id, job.data]));
  await stage.dump('keys of the last', 'last-wins');
}

async function freed(stage) {
  const queue = await stage.queue('freed');
  const add = adder(queue);
  const first = await add(1, { id: 'f' }, { delay: HOUR });
  await stage.tell('freed by the queue', async () => [
    await queue.removeDeduplicationKey('f'),
    await queue.removeDeduplicationKey('f'),
    (await add(2, { id: 'f' })).id,
  ]);
  const second = await queue.getJob('2');
  await stage.tell('freed by its job', async () => [
    await first.removeDeduplicationKey(),
    await second.removeDeduplicationKey(),
    await second.removeDeduplicationKey(),
  ]);
  await stage.tell('freed as debouncing', async () => [
    await add(3, { id: 'g' }).then((job) => job.id),
    await queue.removeDebounceKey('g'),
  ]);
  await stage.tell('a stale owner', async () => {
    await stage.client.set(`${stage.prefix}:freed:de:stale`, 'nobody');
    return (await add(4, { id: 'stale' })).id;
  });
  await stage.tell('no id', () => add(5, {}));
  await stage.dump('keys of freed', 'freed');
}
