// How many finished jobs are kept: by count, by age, by the job's word and by the worker's.

import { ids } from '../job.mjs';

export async function play(stage) {
  await byJob(stage);
  await byWorker(stage);
  await byAge(stage);
}

async function byJob(stage) {
  const cases = {
    'nothing kept': { removeOnComplete: true, removeOnFail: true },
    'all kept': { removeOnComplete: false, removeOnFail: false },
    'two kept': { removeOnComplete: 2, removeOnFail: 1 },
    'none by number': { removeOnComplete: 0, removeOnFail: 0 },
    'one kept for an hour': {
      removeOnComplete: { age: 3600, count: 1 },
      removeOnFail: { age: 3600, count: 2 },
    },
  };
  for (const [label, opts] of Object.entries(cases)) {
    const name = label.replaceAll(' ', '-');
    const queue = await stage.queue(name);
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const job = await queue.add(n % 2 ? 'good' : 'bad', { n }, opts);
      await job.log('row');
    }
    await stage.working(label, name, async (job) => {
      if (job.name === 'bad') throw new Error('bad');
      return job.data.n;
    });
    await stage.tell(`${label}: left`, async () => ({
      completed: ids(await queue.getCompleted()),
      failed: ids(await queue.getFailed()),
    }));
  }
  await stage.dump('keys with two kept', 'two-kept', 'nothing-kept');
}

async function byWorker(stage) {
  const queue = await stage.queue('by-worker');
  for (const n of [1, 2, 3, 4])
    await queue.add(n < 4 ? 'plain' : 'stubborn', {}, n < 4 ? {} : { removeOnComplete: false });
  await stage.working('one kept by the worker', 'by-worker', async () => 1, {
    removeOnComplete: { count: 1 },
    removeOnFail: { count: 0 },
  });
  await stage.tell('left by the worker', async () => ids(await queue.getCompleted()));
  await queue.add('bad', {});
  await stage.working(
    'no failed one kept',
    'by-worker',
    async () => {
      throw new Error('bad');
    },
    { removeOnFail: { count: 0 } },
  );
  await stage.dump('keys by the worker', 'by-worker');
}

async function byAge(stage) {
  const queue = await stage.queue('by-age');
  for (const n of [1, 2, 3]) await queue.add('old', { n });
  await stage.working('three get old', 'by-age', async () => 1);
  // They finished an hour ago, as far as the queue knows.
  for (const id of ['1', '2', '3'])
    await stage.client.zincrby(`${stage.prefix}:by-age:completed`, -3_600_000, id);
  await queue.add('young', {}, { removeOnComplete: { age: 1800, limit: 2 } });
  await stage.working('a young one takes two old ones away', 'by-age', async () => 1);
  await stage.tell('left of two', async () => ids(await queue.getCompleted()));
  await queue.add('young', {}, { removeOnComplete: { age: 1800 } });
  await stage.working('another takes the rest', 'by-age', async () => 1);
  await stage.tell('left of all', async () => ids(await queue.getCompleted()));
  await stage.dump('keys by age', 'by-age');
}
