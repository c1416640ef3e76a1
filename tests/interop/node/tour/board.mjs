// Bull Board on a server: its pages, its whole JSON API, and what its buttons do to the keys.
//
//   REDIS_URL=redis://host:port node tour/board.mjs <bullmq | bullmq-5>
//
// Prints one document, as tour.mjs does.

import { createRequire } from 'node:module';
import { Console } from 'node:console';

import express from 'express';

import { Stage } from './stage.mjs';

globalThis.console = new Console(process.stderr, process.stderr);

const HOUR = 60 * 60_000;
const QUEUE = 'mail';
const STATUSES = [
  'latest',
  'active',
  'waiting',
  'waiting-children',
  'prioritized',
  'completed',
  'failed',
  'delayed',
  'paused',
];

const url = process.env.REDIS_URL;
const [name] = process.argv.slice(2);
if (!url || !name) {
  console.error('usage: REDIS_URL=redis://host:port node tour/board.mjs <bullmq | bullmq-5>');
  process.exit(2);
}

const require = createRequire(import.meta.url);
const { createBullBoard } = require('@bull-board/api');
const { BullMQAdapter } = require('@bull-board/api/bullMQAdapter');
const { ExpressAdapter } = require('@bull-board/express');
const { version } = require(`${name}/package.json`);

const stage = new Stage({ bullmq: require(name), name, version, url, chapter: 'board' });
const queue = await stage.queue(QUEUE);
const other = await stage.queue('other');
const server = await serve([queue, other]);
const base = `http://127.0.0.1:${server.address().port}/board`;
const get = (label, path) => stage.tell(label, () => ask('GET', path));
const put = (label, path, body) => stage.tell(label, () => ask('PUT', path, body));
const patch = (label, path, body) => stage.tell(label, () => ask('PATCH', path, body));
const of = (path) => `/api/queues/${QUEUE}${path}`;

try {
  await fill();
  await pages();
  await reading();
  await oneJob();
  await manyJobs();
  await theQueue();
} catch (error) {
  console.error(error);
  stage.note('the board ends early', error);
}
server.closeAllConnections();
server.close();
await stage.close();
const document = { bullmq: version, board: stage.notes };
process.stdout.write(`${JSON.stringify(document, null, 1)}\n`, () => process.exit(0));

function serve(queues) {
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath('/board');
  createBullBoard({ queues: queues.map((each) => new BullMQAdapter(each)), serverAdapter });
  const app = express();
  app.use('/board', serverAdapter.getRouter());
  return new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
}

async function fill() {
  const add = async (ids, opts = {}) => {
    for (const jobId of ids) await queue.add(jobId, { of: jobId }, { jobId, ...opts });
  };
  await add(['c1', 'c2', 'f1', 'f2']);
  await stage.work(QUEUE, async (job) => {
    await job.log(`row of ${job.name}`);
    if (job.name.startsWith('f')) throw new Error('failed');
    return { done: job.name };
  });
  // Buttons that clean spare what is younger than five seconds.
  for (const id of ['c1', 'c2']) await stage.client.zincrby(`board:${QUEUE}:completed`, -HOUR, id);
  await add(['a1']);
  const worker = await stage.worker(QUEUE, null);
  await worker.getNextJob('t');
  await add(['w1', 'w2', 'w3']);
  await add(['d1', 'd2', 'd3'], { delay: HOUR });
  await add(['p1', 'p2'], { priority: 2 });
  const flows = await stage.flow();
  await flows.add({
    name: 'up',
    queueName: QUEUE,
    opts: { jobId: 'up' },
    children: [{ name: 'down', queueName: 'other', opts: { jobId: 'down', delay: HOUR } }],
  });
  await queue.upsertJobScheduler(
    'plan',
    { every: HOUR, startDate: 2_000_000_000_000 },
    { name: 'planned', data: { n: 1 } },
  );
}

/** What the board answers, with its status. */
async function ask(method, path, body) {
  const answer = await fetch(`${base}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await answer.text();
  const isJson = (answer.headers.get('content-type') ?? '').includes('json');
  return { status: answer.status, body: isJson && text ? JSON.parse(text) : text };
}

async function pages() {
  for (const path of ['/', `/queue/${QUEUE}`, `/queue/${QUEUE}/c1`, '/nowhere']) {
    await stage.tell(`page ${path}`, async () => {
      const { status, body } = await ask('GET', path);
      return [status, body.includes('Bull Dashboard'), body.includes('href="/board/"')];
    });
  }
  await stage.tell('the server', async () => {
    const { status, body } = await ask('GET', '/api/redis/stats');
    return [
      [status, body.backend, body.mode, body.version],
      [typeof body.os, typeof body.port, body.uptime >= 0],
      [body.clients.connected > 0, body.clients.blocked],
      Object.fromEntries(Object.entries(body.memory).map(([name, amount]) => [name, amount > 0])),
    ];
  });
}

async function reading() {
  await get('queues', '/api/queues');
  for (const status of STATUSES) {
    // Jobs of several states side by side are in no order of their own.
    await stage.tell(`status ${status}`, async () => {
      const { status: code, body } = await ask(
        'GET',
        `/api/queues?activeQueue=${QUEUE}&status=${status}&page=1&jobsPerPage=10`,
      );
      const [shown] = body.queues;
      const jobs = status === 'latest' ? shown.jobs.sort((a, b) => (a.id < b.id ? -1 : 1)) : shown.jobs;
      return [code, jobs, shown.pagination, shown.counts];
    });
  }
  await get('the second page', `/api/queues?activeQueue=${QUEUE}&status=delayed&page=2&jobsPerPage=1`);
  await get('schedulers', '/api/job-schedulers');
  for (const path of ['/metrics', '/default-job-options', '/rate-limit', '/job-data-schema'])
    await get(`queue ${path}`, of(path));
  await stage.tell('queue /workers', async () => {
    const { status, body } = await ask('GET', of('/workers'));
    return [status, Array.isArray(body) ? body.length : Object.keys(body)];
  });
  for (const id of ['c1', 'f1', 'up', 'nobody']) {
    for (const path of ['', '/logs', '/flow']) await get(`job ${id}${path}`, of(`/${id}${path}`));
  }
  await get('no such queue', '/api/queues/nowhere/c1');
}

async function oneJob() {
  await put('retry a failed job', of('/f1/retry'));
  await put('retry a waiting job', of('/w1/retry'));
  await put('promote', of('/d1/promote'));
  await put('promote a waiting job', of('/w1/promote'));
  await put('remove', of('/w2/clean'));
  await put('remove an active job', of('/a1/clean'));
  await patch('new data', of('/w3/update-data'), { jobData: { changed: true } });
  await patch('a new delay', of('/d2/delay'), { runAt: Date.now() + 2 * HOUR });
  await patch('a new priority', of('/p2/priority'), { priority: 1 });
  await put('remove children not yet taken', of('/up/remove-unprocessed-children'));
  await stage.tell('add', () =>
    ask('POST', of('/add'), {
      name: 'added',
      data: { by: 'hand' },
      options: { jobId: 'added', priority: 4 },
    }),
  );
  await stage.dump('keys after single jobs');
}

async function manyJobs() {
  await put('promote all', of('/promote'));
  await put('retry all failed', of('/retry/failed'));
  for (const status of ['completed', 'delayed', 'waiting'])
    await put(`clean ${status}`, of(`/clean/${status}`));
  await stage.dump('keys after many jobs', QUEUE);
}

async function theQueue() {
  await put('pause', of('/pause'));
  await get('paused', '/api/queues');
  await put('resume', of('/resume'));
  await put('pause all', '/api/queues/pause');
  await put('resume all', '/api/queues/resume');
  await put('concurrency', of('/concurrency'), { concurrency: 3 });
  await put('rate limit', of('/rate-limit'), { max: 5, duration: 1_000 });
  await get('rate limit is set', of('/rate-limit'));
  await put('rate limit released', of('/rate-limit/release'));
  await patch('another rhythm', of('/job-schedulers/plan'), { pattern: '0 0 0 1 1 *' });
  await put('run a scheduler now', of('/job-schedulers/plan/run'));
  await get('schedulers afterwards', '/api/job-schedulers');
  await put('remove a scheduler', of('/job-schedulers/plan/remove'));
  await put('empty', of('/empty'));
  await stage.dump('keys of an emptied queue', QUEUE);
  await put('obliterate', of('/obliterate'), {});
  await put('pause before', of('/pause'));
  await put('obliterate by force', of('/obliterate'), { force: true });
  await stage.dump('keys at the end');
}
