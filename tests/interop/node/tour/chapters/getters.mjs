// Reading a queue: jobs by state and range, counts, metrics, and who is connected.

import { gate } from '../stage.mjs';
import { ids } from '../job.mjs';

const HOUR = 60 * 60_000;
const TYPES = [
  'waiting',
  'wait',
  'active',
  'delayed',
  'prioritized',
  'completed',
  'failed',
  'waiting-children',
  'paused',
  'repeat',
];

export async function play(stage) {
  const queue = await stage.queue('all');
  await fill(stage, queue);
  for (const type of TYPES) {
    await stage.tell(`${type}: all`, async () => ids(await queue.getJobs([type])));
    await stage.tell(`${type}: first first`, async () => ids(await queue.getJobs([type], 0, 1, true)));
    await stage.tell(`${type}: without the first`, async () => ids(await queue.getJobs(type, 1, -1)));
    await stage.tell(`${type}: counted`, async () => [
      await queue.getJobCounts(type),
      await queue.getJobCountByTypes(type),
    ]);
  }
  for (const get of [
    'getWaiting',
    'getActive',
    'getDelayed',
    'getPrioritized',
    'getCompleted',
    'getFailed',
    'getWaitingChildren',
  ]) {
    await stage.tell(get, async () => [
      ids(await queue[get]()),
      ids(await queue[get](0, 0)),
      ids(await queue[get](1, 5)),
      await queue[`${get}Count`](),
    ]);
  }
  await stage.tell('jobs of many kinds', async () =>
    ids(await queue.getJobs(['waiting', 'failed', 'delayed'])).sort(),
  );
  await stage.tell('jobs of all kinds', async () => ids(await queue.getJobs()).sort());
  await stage.tell('ranges', async () => [
    await queue.getRanges(['waiting', 'completed'], 0, 1, true),
    await queue.getRanges(['waiting'], 0, -1, false),
  ]);
  await stage.tell('counts', async () => [
    await queue.getJobCounts(),
    await queue.count(),
    await queue.getJobCountByTypes('waiting', 'failed'),
  ]);
  await stage.tell('a job without its data', async () => {
    await stage.client.del(`${stage.prefix}:all:w2`);
    return ids(await queue.getWaiting());
  });
  await stage.tell('for Prometheus', async () => [
    await queue.exportPrometheusMetrics(),
    await queue.exportPrometheusMetrics({ env: 'test' }),
  ]);
  await stage.tell('counts as a metric', () => queue.recordJobCountsMetric?.('waiting', 'failed'));
  await metrics(stage);
  await connected(stage);
}

async function fill(stage, queue) {
  const flows = await stage.flow();
  const add = async (names, opts = {}) => {
    for (const jobId of names) await queue.add(jobId, {}, { jobId, ...opts });
  };
  await add(['c1', 'c2', 'c3', 'f1', 'f2', 'f3']);
  await stage.work('all', async (job) => {
    // Two jobs that end in one millisecond are kept by name, not by time.
    if (job.name.startsWith('f')) throw new Error('failed');
    return job.name;
  });
  await add(['a1', 'a2']);
  const worker = await stage.worker('all', null);
  for (const token of ['t1', 't2']) await worker.getNextJob(token);
  await add(['w1', 'w2', 'w3']);
  await add(['d1', 'd2', 'd3'], { delay: HOUR });
  await add(['p1', 'p2'], { priority: 2 });
  await add(['p0'], { priority: 1 });
  await flows.add({
    name: 'up',
    queueName: 'all',
    opts: { jobId: 'up' },
    children: [{ name: 'x', queueName: 'elsewhere', opts: { jobId: 'x' } }],
  });
  await queue.upsertJobScheduler('plan', { every: HOUR, startDate: 2_000_000_000_000 });
}

async function metrics(stage) {
  const queue = await stage.queue('metrics');
  await stage.tell('metrics of a new queue', () => queue.getMetrics('completed'));
  await queue.addBulk([1, 2, 3].map((n) => ({ name: 'job', data: { n } })));
  const options = { metrics: { maxDataPoints: 5 } };
  const run = (label) =>
    stage.working(
      label,
      'metrics',
      async (job) => {
        if (job.data.n === 2) throw new Error('two');
        return 1;
      },
      options,
    );
  await run('measured work');
  await stage.tell('metrics', async () => [
    await queue.getMetrics('completed'),
    await queue.getMetrics('failed', 0, 1),
  ]);
  // Three minutes pass, as far as the queue knows.
  for (const kind of ['completed', 'failed'])
    await stage.client.hincrby(`${stage.prefix}:metrics:metrics:${kind}`, 'prevTS', -3 * 60_000);
  await queue.addBulk([1, 2].map((n) => ({ name: 'job', data: { n } })));
  await run('work after three minutes');
  await stage.tell('metrics after three minutes', async () => [
    await queue.getMetrics('completed'),
    await queue.getMetrics('completed', 1, 2),
    await queue.getMetrics('failed'),
  ]);
  await stage.client.hincrby(`${stage.prefix}:metrics:metrics:completed`, 'prevTS', -60 * 60_000);
  await queue.add('job', { n: 1 });
  await run('work after an hour');
  await stage.tell('metrics after an hour', () => queue.getMetrics('completed'));
  await stage.dump('keys of metrics', 'metrics');
}

async function connected(stage) {
  const queue = await stage.queue('connected');
  await stage.tell('nobody is there', async () => [
    await queue.getWorkers(),
    await queue.getWorkersCount(),
    await queue.getQueueEvents(),
  ]);
  const { open, opened } = gate();
  const workers = [
    await stage.worker('connected', () => opened, { name: 'ann' }),
    await stage.worker('connected', () => opened),
  ];
  await stage.events('connected');
  workers.forEach((worker) => worker.run());
  const sorted = (clients) =>
    clients
      .map(({ name, rawname, db, flags }) => ({ name, rawname, db, flags }))
      .sort((a, b) => (a.rawname < b.rawname ? -1 : 1));
  await stage.until(
    'both wait',
    async () => (await queue.getWorkers()).filter(({ cmd }) => cmd === 'bzpopmin').length === 2,
  );
  await stage.until('the listener listens', async () =>
    (await queue.getQueueEvents()).some(({ cmd }) => cmd === 'xread'),
  );
  await stage.tell('workers', async () => [sorted(await queue.getWorkers()), await queue.getWorkersCount()]);
  await stage.tell('listeners', async () => sorted(await queue.getQueueEvents()));
  await stage.tell('what is told of a client', async () => {
    // The name of the client's library is told from Redis 7.2 on.
    const [worker] = await queue.getWorkers();
    return Object.keys(worker)
      .filter((field) => !field.startsWith('lib-'))
      .sort();
  });
  open();
  await Promise.all(workers.map((worker) => worker.close()));
  await stage.until('the workers are gone', async () => (await queue.getWorkersCount()) === 0);
}
