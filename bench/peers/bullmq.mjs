// The queue bench of `oxherd bench queue`, run by npm bullmq: the same payload, counts and concurrency, a no-op
// handler, removal on completion, events and locks on, one worker. Prints the same JSON lines.
// Arguments: REDIS_URL JOBS CONCURRENCY. Uses the bullmq that tests/interop/node installs.
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const require = createRequire(new URL('../../tests/interop/node/package.json', import.meta.url));
const { Queue, Worker } = require('bullmq');
const IORedis = require('ioredis');

const [url, jobsText, concurrencyText] = process.argv.slice(2);
const jobs = Number(jobsText);
const concurrency = Number(concurrencyText);
const connect = () => new IORedis(url, { maxRetriesPerRequest: null });
const payload = (i) => ({ i, to: 'a@b.c', subject: 'hello' });
const opts = { removeOnComplete: true };

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

// Server time of what clients sent; commands inside scripts are part of their script.
const stats = connect();
async function serverMicros() {
  const info = await stats.info('commandstats');
  let sum = 0;
  for (const [, name, usec] of info.matchAll(/^cmdstat_([^:]+):calls=\d+,usec=(\d+)/gm)) {
    if (['evalsha', 'eval', 'bzpopmin'].includes(name)) sum += Number(usec);
  }
  return sum;
}

function report(bench, count, seconds, milliseconds, micros) {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const round = (number) => Math.round(number * 1000) / 1000;
  console.log(JSON.stringify({
    bench, jobs: count, concurrency, per_second: Math.round(count / seconds),
    p50_ms: round(quantile(sorted, 0.5)), p99_ms: round(quantile(sorted, 0.99)),
    server_us_per_job: Math.round((micros / count) * 100) / 100,
  }));
}

async function withQueue(name, use) {
  const queue = new Queue(`bench-${name}-${process.pid}`, { connection: connect() });
  await queue.waitUntilReady();
  try {
    await use(queue);
  } finally {
    await queue.obliterate({ force: true });
    await queue.close();
  }
}

await withQueue('bulk-add', async (queue) => {
  const times = [];
  let before = await serverMicros();
  const started = performance.now();
  for (let first = 0; first < jobs; first += 1000) {
    const batch = [];
    for (let i = first; i < Math.min(first + 1000, jobs); i++) batch.push({ name: 'bench', data: payload(i), opts });
    const sent = performance.now();
    await queue.addBulk(batch);
    times.push(performance.now() - sent);
  }
  report('bulk_add', jobs, (performance.now() - started) / 1000, times, (await serverMicros()) - before);

  before = await serverMicros();
  let done = 0;
  const runs = [];
  const begun = performance.now();
  const worker = new Worker(queue.name, async () => {}, { connection: connect(), concurrency });
  await new Promise((resolve) => worker.on('completed', (job) => {
    runs.push(Date.now() - job.processedOn);
    if (++done === jobs) resolve();
  }));
  report('process', jobs, (performance.now() - begun) / 1000, runs, (await serverMicros()) - before);
  await worker.close();
});

await withQueue('add', async (queue) => {
  const times = [];
  let next = 0;
  const before = await serverMicros();
  const started = performance.now();
  await Promise.all(Array.from({ length: 100 }, async () => {
    while (next < jobs) {
      const i = next++;
      const sent = performance.now();
      await queue.add('bench', payload(i), opts);
      times.push(performance.now() - sent);
    }
  }));
  report('add', jobs, (performance.now() - started) / 1000, times, (await serverMicros()) - before);
});

await withQueue('pickup', async (queue) => {
  const count = Math.min(jobs, 1000);
  let picked;
  const worker = new Worker(queue.name, async () => picked(performance.now()), { connection: connect(), concurrency: 1 });
  await worker.waitUntilReady();
  const times = [];
  const before = await serverMicros();
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    const idle = new Promise((resolve) => worker.once('drained', resolve));
    const pickup = new Promise((resolve) => { picked = resolve; });
    const sent = performance.now();
    await queue.add('bench', payload(i), opts);
    times.push((await pickup) - sent);
    await idle;
  }
  report('pickup', count, (performance.now() - started) / 1000, times, (await serverMicros()) - before);
  await worker.close();
});
process.exit(0);
