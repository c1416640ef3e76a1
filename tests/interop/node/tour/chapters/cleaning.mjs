// Emptying queues: clean in every state, drain, obliterate, orphans and old keys.

import { ids } from '../job.mjs';

const HOUR = 60 * 60_000;

export async function play(stage) {
  await clean(stage);
  await drain(stage);
  await obliterate(stage);
  await orphans(stage);
}

async function fill(stage, queue) {
  const name = queue.name;
  const add = async (names, opts = {}) => {
    for (const jobId of names) await queue.add(jobId, {}, { jobId, ...opts });
  };
  await add(['c1', 'c2', 'c3', 'f1', 'f2']);
  await stage.work(name, async (job) => {
    await job.log('row');
    if (job.name.startsWith('f')) throw new Error('failed');
  });
  await add(['a1', 'a2']);
  const worker = await stage.worker(name, null);
  for (const token of ['t1', 't2']) await worker.getNextJob(token);
  await add(['w1', 'w2', 'w3']);
  await add(['d1', 'd2'], { delay: HOUR });
  await add(['p1', 'p2', 'p3'], { priority: 2 });
  const flows = await stage.flow();
  await flows.add({
    name: 'up',
    queueName: name,
    opts: { jobId: 'up' },
    children: [
      { name: 'down', queueName: name, opts: { jobId: 'down' } },
      { name: 'down', queueName: name, opts: { jobId: 'down2', delay: HOUR } },
    ],
  });
  return worker;
}

async function clean(stage) {
  const queue = await stage.queue('clean');
  await fill(stage, queue);
  await stage.tell('too young', async () => {
    const answers = {};
    for (const type of ['completed', 'failed', 'delayed', 'wait', 'prioritized'])
      answers[type] = await queue.clean(HOUR, 100, type);
    return answers;
  });
  await stage.tell('one of them', async () => (await queue.clean(0, 1, 'completed')).length);
  await stage.tell('the rest', async () => (await queue.clean(0, 0)).sort());
  for (const type of ['failed', 'wait', 'delayed', 'prioritized', 'active', 'paused']) {
    await stage.tell(`clean ${type}`, async () => [
      (await queue.clean(0, 100, type)).sort(),
      await queue.getJobCounts(),
    ]);
  }
  await stage.client.del(`${stage.prefix}:clean:a1:lock`);
  await stage.tell('an active job without a lock', async () => [
    await queue.clean(0, 100, 'active'),
    ids(await queue.getActive()),
  ]);
  await stage.tell('an unknown state', () => queue.clean(0, 100, 'sleeping'));
  await stage.dump('keys after cleaning', 'clean');
  const many = await stage.queue('clean-many');
  await many.addBulk(Array.from({ length: 1_500 }, () => ({ name: 'n', data: {} })));
  await stage.tell('many at once', async () => [
    (await many.clean(0, 1_200, 'wait')).length,
    await many.getJobCounts('waiting'),
  ]);
  await stage.tell('many, without a bound', async () => [
    (await many.clean(0, 0, 'wait')).length,
    await many.getJobCounts('waiting'),
  ]);
}

async function drain(stage) {
  const queue = await stage.queue('drain');
  await fill(stage, queue);
  await queue.add('free', {}, { jobId: 'free', deduplication: { id: 'x' } });
  await stage.tell('drained', async () => [(await queue.drain()) ?? null, await queue.getJobCounts()]);
  await stage.dump('keys after draining', 'drain');
  await stage.tell('drained with the delayed ones', async () => [
    (await queue.drain(true)) ?? null,
    await queue.getJobCounts(),
  ]);
  await stage.dump('keys after draining all', 'drain');
}

async function obliterate(stage) {
  const queue = await stage.queue('obliterate');
  const worker = await fill(stage, queue);
  await queue.upsertJobScheduler('plan', { every: HOUR, startDate: 2_000_000_000_000 });
  await stage.tell('refused while jobs are active', () => queue.obliterate());
  await stage.tell('paused by it', async () => [await queue.isPaused(), await queue.getJobCounts()]);
  await stage.tell('by force', async () => [
    (await queue.obliterate({ force: true, count: 5 })) ?? null,
    await queue.getJobCounts(),
  ]);
  await stage.dump('keys after obliterating', 'obliterate');
  await stage.tell('a job that was active', async () => {
    const job = await queue.add('new', {});
    const taken = await worker.getNextJob('t');
    return [job.id, taken?.id ?? null];
  });
  const calm = await stage.queue('calm');
  await calm.addBulk(
    Array.from({ length: 30 }, (_, n) => ({
      name: 'n',
      data: {},
      opts: { delay: n % 2 ? HOUR : 0, priority: n % 3 },
    })),
  );
  await stage.tell('without force', async () => [
    (await calm.obliterate()) ?? null,
    await calm.getJobCounts(),
  ]);
  await stage.tell('an empty queue', async () => (await calm.obliterate()) ?? null);
  await stage.dump('keys of the calm', 'calm');
}

async function orphans(stage) {
  const queue = await stage.queue('orphans');
  for (const jobId of ['a', 'b', 'c', 'd']) {
    await queue.add(jobId, {}, { jobId });
    await (await queue.getJob(jobId)).log('row');
  }
  for (const id of ['b', 'c', 'd']) await stage.client.lrem(`${stage.prefix}:orphans:wait`, 0, id);
  await stage.tell('orphans removed', async () => {
    // The bound counts for each page of the search, and pages are the server's own.
    const found = (await queue.removeOrphanedJobs(100, 2)) + (await queue.removeOrphanedJobs());
    return [found, await queue.removeOrphanedJobs()];
  });
  await stage.client.set(`${stage.prefix}:orphans:priority`, 'old');
  await stage.tell('an old key removed', async () => [
    await queue.removeDeprecatedPriorityKey(),
    await queue.removeDeprecatedPriorityKey(),
  ]);
  await stage.dump('keys after orphans', 'orphans');
  await stage.tell('all of a queue removed', async () => {
    // It closes the connection that it is given.
    const gone = await stage.bullmq.removeAllQueueData(stage.client.duplicate(), 'orphans', stage.prefix);
    return [gone ?? null, await stage.client.keys(`${stage.prefix}:orphans:*`)];
  });
}
