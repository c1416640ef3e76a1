// A worker that takes one job and never ends it: made to be killed by chapters/stalls.mjs.
//
//   REDIS_URL=… node doomed.mjs <bullmq | bullmq-5> <queue> <prefix>
//
// It ends with its stdin, too, so that it never outlives the tour.

import { createRequire } from 'node:module';

const [name, queue, prefix] = process.argv.slice(2);
const { Worker } = createRequire(import.meta.url)(name);
const connection = { url: process.env.REDIS_URL, maxRetriesPerRequest: null };
const options = { connection, prefix, lockDuration: 60, skipStalledCheck: true };
new Worker(queue, (job) => new Promise(() => process.stdout.write(`${job.id}\n`)), options);
process.stdin.on('end', () => process.exit(0)).resume();
