// Changing when and in which order jobs run: delays, priorities, promotion.

import { ids, shown } from '../job.mjs';

const HOUR = 60 * 60_000;

export async function play(stage) {
  await delays(stage);
  await priorities(stage);
  await promotions(stage);
}

async function delays(stage) {
  const queue = await stage.queue('delays');
  const [first, second, waiting] = [
    await queue.add('first', {}, { delay: HOUR }),
    await queue.add('second', {}, { delay: 2 * HOUR }),
    await queue.add('waiting', {}),
  ];
  const order = async () => ids(await queue.getDelayed());
  await stage.tell('delayed, in order', order);
  await stage.tell('the first goes back', async () => {
    await first.changeDelay(3 * HOUR);
    return [await order(), first.delay, shown(await queue.getJob(first.id))];
  });
  await stage.tell('a waiting job has no delay', () => waiting.changeDelay(HOUR));
  await stage.tell('delayed in all', () => queue.getDelayedCount());
  await stage.tell('delayed until a time', () => queue.getDelayedCount(Date.now() + 2.5 * HOUR));
  await stage.tell('promoted', async () => {
    await second.promote();
    return [await second.getState(), ids(await queue.getWaiting()), shown(await queue.getJob(second.id))];
  });
  await stage.tell('promoted twice', () => second.promote());
  await stage.dump('keys of delays', 'delays');
  await stage.working('delayed jobs are left alone', 'delays', async (job) => job.name);
  await stage.dump('keys of delays after work', 'delays');
}

async function priorities(stage) {
  const queue = await stage.queue('priorities');
  const jobs = [];
  for (const [name, priority] of [
    ['a', 3],
    ['b', 1],
    ['c', 3],
    ['d', 0],
    ['e', 2],
  ]) {
    jobs.push(await queue.add(name, {}, { priority, jobId: name }));
  }
  const [a, b, c, d, e] = jobs;
  const order = async () => ({
    prioritised: ids(await queue.getPrioritized()),
    waiting: ids(await queue.getWaiting()),
  });
  await stage.tell('in order', order);
  await stage.tell('counts per priority', () => queue.getCountsPerPriority([0, 1, 2, 3, 4]));
  const change = (label, job, opts) =>
    stage.tell(label, async () => {
      await job.changePriority(opts);
      return [await order(), job.priority, (await queue.getJob(job.id)).priority];
    });
  await change('b to the end', b, { priority: 9 });
  await change('c to the front of its kind', c, { priority: 3, lifo: true });
  await change('d gets a priority', d, { priority: 1 });
  await change('e loses its priority', e, { priority: 0 });
  await change('a loses its priority and goes first', a, { lifo: true });
  await stage.tell('priority out of range', () => a.changePriority({ priority: 3_000_000 }));
  await stage.dump('keys of priorities', 'priorities');
  await stage.working('worked off in order', 'priorities', async (job) => job.name);
  await stage.tell('priority of a finished job', async () => {
    await a.changePriority({ priority: 5 });
    return shown(await queue.getJob('a'));
  });
  await stage.dump('keys of priorities after work', 'priorities');
}

async function promotions(stage) {
  const queue = await stage.queue('promotions');
  await queue.addBulk(
    ['1h', '2h', '3h', '4h', '5h'].map((name, at) => ({
      name,
      data: {},
      opts: { delay: (at + 1) * HOUR, jobId: name, priority: at === 1 ? 4 : 0 },
    })),
  );
  const counts = () => queue.getJobCounts('waiting', 'prioritized', 'delayed');
  await stage.tell('two at a time', async () => [
    (await queue.promoteJobs({ count: 2 })) ?? null,
    await counts(),
  ]);
  await stage.tell('no more', async () => [(await queue.promoteJobs()) ?? null, await counts()]);
  await stage.dump('keys of promotions', 'promotions');
  await stage.working('all promoted are worked off', 'promotions', async (job) => job.opts.delay);
}
