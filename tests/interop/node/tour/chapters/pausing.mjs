// Pausing and resuming: the queue for everybody, a worker for itself.

import { gate, listen } from '../stage.mjs';
import { ids } from '../job.mjs';

const HOUR = 60 * 60_000;

export async function play(stage) {
  await theQueue(stage);
  await workers(stage);
}

async function theQueue(stage) {
  const queue = await stage.queue('queue');
  const told = [];
  for (const kind of ['paused', 'resumed', 'waiting', 'removed', 'progress', 'cleaned']) {
    queue.on(kind, (...values) => told.push([kind, ...values.map((value) => value?.id ?? value)]));
  }
  const look = async () => [
    await queue.isPaused(),
    await queue.getJobCounts(),
    ids(await queue.getWaiting()),
    (await queue.getMeta()).paused ?? null,
  ];
  await queue.add('before', {});
  await queue.add('first of all', {}, { lifo: true });
  await queue.add('urgent', {}, { priority: 1 });
  await stage.tell('paused', async () => [(await queue.pause()) ?? null, await look()]);
  await stage.tell('paused twice', async () => [(await queue.pause()) ?? null, await look()]);
  await queue.add('meanwhile', {});
  await queue.addBulk([
    { name: 'in bulk', data: {} },
    { name: 'late', data: {}, opts: { delay: HOUR } },
    { name: 'front', data: {}, opts: { lifo: true } },
  ]);
  await stage.tell('added meanwhile', look);
  await stage.tell('state of a paused job', async () => (await queue.getJob('1')).getState());
  await stage.tell(
    'nobody gets a job',
    async () => (await (await stage.worker('queue', null)).getNextJob('t', { block: false })) ?? null,
  );
  await stage.tell('promoted while paused', async () => [(await queue.promoteJobs()) ?? null, await look()]);
  await stage.dump('keys while paused', 'queue');
  await stage.tell('resumed', async () => [(await queue.resume()) ?? null, await look()]);
  await stage.tell('resumed twice', async () => [(await queue.resume()) ?? null, await look()]);
  await stage.dump('keys after resuming', 'queue');
  await stage.working('all of it', 'queue', async (job) => job.name);
  await stage.tell('paused while empty', async () => [
    (await queue.pause()) ?? null,
    (await queue.resume()) ?? null,
    await look(),
  ]);
  stage.note('what the queue said', told);
}

async function workers(stage) {
  const queue = await stage.queue('worker');
  const { open, opened } = gate();
  const worker = await stage.worker('worker', async (job) => {
    if (job.name === 'held') await opened;
    return job.name;
  });
  const said = listen(worker);
  worker.run();
  await queue.add('held', {});
  await stage.until('it runs', () => said.length === 1);
  const paused = worker.pause();
  await queue.add('second', {});
  stage.note('on its way to rest', [worker.isRunning(), await queue.getJobCounts()]);
  open();
  await paused;
  await stage.tell('at rest', async () => [
    worker.isPaused(),
    worker.isRunning(),
    await queue.getJobCounts(),
  ]);
  await worker.resume();
  await stage.until('the second ran', async () => (await queue.getCompletedCount()) === 2);
  await stage.tell('going on', () => [worker.isPaused(), worker.isRunning()]);
  await stage.idle('worker');
  await worker.pause(true);
  await stage.tell('at rest again', () => [worker.isPaused(), worker.isRunning()]);
  await worker.close();
  stage.note('what the worker said', said);
}
