// A worker's life: many jobs at once, several workers, closing softly and by force, cancelling, moving hands-on.

import { gate, listen } from '../stage.mjs';
import { shown } from '../job.mjs';

export async function play(stage) {
  await atOnce(stage);
  await together(stage);
  await closing(stage);
  await cancelling(stage);
  await insideAJob(stage);
  await order(stage);
}

async function atOnce(stage) {
  const queue = await stage.queue('at-once');
  await queue.addBulk(Array.from({ length: 12 }, (_, n) => ({ name: 'n', data: { n } })));
  const { open, opened } = gate();
  const worker = await stage.worker(
    'at-once',
    async (job) => {
      await opened;
      return job.data.n;
    },
    { concurrency: 3 },
  );
  worker.run();
  await stage.until('three run', async () => (await queue.getActiveCount()) === 3);
  await stage.tell('three at once', async () => [
    worker.concurrency,
    await queue.getJobCounts('active', 'waiting'),
  ]);
  worker.concurrency = 5;
  open();
  await stage.idle('at-once');
  await worker.close();
  await stage.tell('all ran', async () => [
    await queue.getJobCounts(),
    (await queue.getCompleted()).map((job) => job.returnvalue).sort((a, b) => a - b),
  ]);
}

async function together(stage) {
  const queue = await stage.queue('together');
  const runs = new Map();
  const workers = [];
  for (let n = 0; n < 3; n += 1) {
    workers.push(
      await stage.worker(
        'together',
        async (job) => {
          runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
        },
        { concurrency: 4, removeOnComplete: { count: 0 } },
      ),
    );
  }
  workers.forEach((worker) => worker.run());
  for (let n = 0; n < 10; n += 1) {
    await queue.addBulk(Array.from({ length: 30 }, () => ({ name: 'n', data: {} })));
  }
  await stage.idle('together');
  await Promise.all(workers.map((worker) => worker.close()));
  stage.note('each job ran once', [runs.size, Math.max(...runs.values())]);
  await stage.client.del(`${stage.prefix}:together:events`);
  await stage.dump('keys of workers together', 'together');
}

async function closing(stage) {
  const queue = await stage.queue('closing');
  await queue.addBulk([1, 2].map((n) => ({ name: 'n', data: { n } })));
  const held = gate();
  const worker = await stage.worker('closing', () => held.opened);
  const said = listen(worker, { isHeldBack: true });
  worker.run();
  await stage.until('it runs', () => said.length === 1);
  const closed = worker.close();
  held.open('just in time');
  await closed;
  stage.note('closed softly', said);
  await stage.tell('after a soft end', async () => [worker.isRunning(), await queue.getJobCounts()]);

  const stuck = await stage.worker('closing', () => new Promise(() => {}));
  const heard = listen(stuck, { isHeldBack: true });
  stuck.run();
  await stage.until('it runs', () => heard.length === 1);
  await stuck.close(true);
  stage.note('closed by force', heard);
  await stage.tell('after a forced end', async () => [
    await queue.getJobCounts(),
    await stage.client.exists(`${stage.prefix}:closing:2:lock`),
  ]);
  await stage.tell('a closed queue', async () => {
    const other = await stage.queue('closing');
    await other.close();
    await other.close();
    return 'closed twice';
  });
}

async function cancelling(stage) {
  const queue = await stage.queue('cancelling');
  await queue.addBulk([1, 2, 3].map((n) => ({ name: 'n', data: { n }, opts: { attempts: 1 } })));
  let begun = 0;
  const worker = await stage.worker(
    'cancelling',
    (job, token, signal) =>
      new Promise((_, reject) => {
        begun += 1;
        signal?.addEventListener('abort', () => reject(new Error(`stopped: ${signal.reason}`)));
      }),
    { concurrency: 3 },
  );
  const said = listen(worker);
  worker.run();
  await stage.until('all run', () => begun === 3);
  stage.note('cancelled one', [worker.cancelJob('2', 'not needed'), worker.cancelJob('nobody')]);
  await stage.until('one failed', async () => (await queue.getFailedCount()) === 1);
  stage.note('cancelled all', worker.cancelAllJobs('closing time') ?? null);
  await stage.until('all failed', async () => (await queue.getFailedCount()) === 3);
  await stage.idle('cancelling');
  await worker.close();
  stage.note('what was said', said.filter(([kind]) => kind === 'failed').sort());
}

async function insideAJob(stage) {
  const queue = await stage.queue('inside');
  await queue.add('busy', { step: 0 });
  await stage.working('from inside a job', 'inside', async (job, token) => {
    await job.updateProgress(10);
    await job.log('first row');
    await job.updateData({ step: 1 });
    await job.updateProgress({ percent: 90 });
    const extended = await job.extendLock(token, 60_000);
    return {
      extended,
      state: await job.getState(),
      data: job.data,
      progress: job.progress,
      queue: job.queueName,
      prefix: job.prefix,
    };
  });
  await stage.tell('seen from outside', async () => [
    shown(await queue.getJob('1')),
    await queue.getJobLogs('1'),
  ]);
  await stage.dump('keys of a busy job', 'inside');
}

async function order(stage) {
  const queue = await stage.queue('order');
  const jobs = {
    a: {},
    b: { priority: 2 },
    c: { lifo: true },
    d: { priority: 1 },
    e: {},
    f: { lifo: true },
    g: { delay: 1 },
    h: { priority: 2 },
  };
  for (const [jobId, opts] of Object.entries(jobs)) await queue.add(jobId, {}, { jobId, ...opts });
  await stage.until(
    'the delayed one is due',
    async () => (await queue.getDelayed())[0].timestamp + 5 < Date.now(),
  );
  await stage.working('in order', 'order', async (job) => job.name);
}
