// Much of everything: large data, many jobs at once, a parent of many children.

import { gate } from '../stage.mjs';

export async function play(stage) {
  await largeData(stage);
  await manyJobs(stage);
  await manyChildren(stage);
}

async function largeData(stage) {
  const queue = await stage.queue('large');
  const text = 'ß∂ƒ☃𝄞\u0000"\\/\n'.repeat(60_000);
  await queue.add('large', { text });
  const said = await stage.work('large', async (job) => ({
    length: job.data.text.length,
    echo: job.data.text,
  }));
  await stage.tell('a megabyte there and back', async () => {
    const job = await queue.getJob('1');
    return [said.length, job.data.text === text, job.returnvalue.echo === text, job.returnvalue.length];
  });
}

async function manyJobs(stage) {
  const queue = await stage.queue('many');
  const total = 2_000;
  await queue.addBulk(
    Array.from({ length: total }, (_, n) => ({
      name: 'n',
      data: { n },
      opts: { priority: n % 4, delay: n % 5 === 0 ? 1 : 0, ...(n % 7 === 0 && { jobId: `own-${n}` }) },
    })),
  );
  const runs = new Map();
  const done = gate();
  const workers = [];
  for (const name of ['ann', 'bob']) {
    workers.push(
      await stage.worker(
        'many',
        async (job) => {
          runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
          return job.data.n;
        },
        { name, concurrency: 50 },
      ),
    );
  }
  let completed = 0;
  for (const worker of workers) {
    worker.on('completed', () => {
      completed += 1;
      if (completed === total) done.open();
    });
    worker.run();
  }
  await done.opened;
  await Promise.all(workers.map((worker) => worker.close()));
  await stage.tell('each ran once', async () => [
    runs.size,
    Math.max(...runs.values()),
    await queue.getJobCounts(),
  ]);
  await stage.tell('all results are there', async () => {
    const values = (await queue.getCompleted()).map((job) => job.returnvalue).sort((a, b) => a - b);
    return values.every((value, at) => value === at) && values.length;
  });
  await stage.tell('cleaned', async () => [
    (await queue.clean(0, 0)).length,
    await queue.getJobCounts('completed'),
  ]);
}

async function manyChildren(stage) {
  const flows = await stage.flow();
  const upper = await stage.queue('upper');
  const names = Array.from({ length: 300 }, (_, n) => `child-${String(n).padStart(3, '0')}`);
  await flows.add({
    name: 'parent',
    queueName: 'upper',
    opts: { jobId: 'parent' },
    children: names.map((jobId) => ({ name: 'child', queueName: 'lower', opts: { jobId } })),
  });
  const parent = await upper.getJob('parent');
  const keys = names.map((name) => `${stage.prefix}:lower:${name}`);
  const complete = (found) => [
    found.length >= keys.length,
    JSON.stringify([...new Set(found)].sort()) === JSON.stringify(keys),
  ];
  await stage.tell('unfinished, in pages', async () =>
    complete(await pages(parent, 'unprocessed', 'nextUnprocessedCursor', (page) => page)),
  );
  await stage.tell('unfinished, as the queue sees them', async () => {
    const found = [];
    for (let start = 0; start < names.length; start += 100) {
      const { items, jobs, total } = await upper.getDependencies('parent', 'pending', start, start + 99);
      found.push(...items.map(({ id }) => id));
      if (jobs.length !== items.length || total !== names.length) throw new Error('a page is not whole');
    }
    return complete(found);
  });
  await stage.work('lower', async (job) => job.id, { concurrency: 20 });
  await stage.tell('finished, in pages', async () =>
    complete(await pages(parent, 'processed', 'nextProcessedCursor', Object.keys)),
  );
  await stage.tell('counted', () => parent.getDependenciesCount());
  await stage.tell('all values', async () => Object.keys(await parent.getChildrenValues()).length);
  await stage.working('the parent', 'upper', async (job) =>
    Object.values(await job.getChildrenValues())
      .sort()
      .at(-1),
  );
  await stage.tell('removed with all children', async () => [
    (await parent.remove({ removeChildren: true })) ?? null,
    await stage.client.keys(`${stage.prefix}:lower:child*`),
  ]);
}

async function pages(job, kind, next, keysOf) {
  const found = [];
  let cursor = 0;
  do {
    const page = await job.getDependencies({ [kind]: { cursor, count: 40 } });
    found.push(...keysOf(page[kind]));
    cursor = Number(page[next]);
  } while (cursor !== 0);
  return found;
}
