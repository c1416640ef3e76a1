// Adds jobs that wait, by npm bullmq, 1,000 a call, and leaves them there.
// Arguments: REDIS_URL JOBS. Uses the bullmq that tests/interop/node installs.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../tests/interop/node/package.json', import.meta.url));
const { Queue } = require('bullmq');

const [url, jobsText] = process.argv.slice(2);
const jobs = Number(jobsText);
const queue = new Queue('bench-fill', { connection: { url } });
for (let first = 0; first < jobs; first += 1000) {
  const count = Math.min(1000, jobs - first);
  await queue.addBulk(Array.from({ length: count }, (_, at) => (
    { name: 'bench', data: { i: first + at, to: 'a@b.c', subject: 'hello' } })));
}
const waiting = await queue.getWaitingCount();
if (waiting !== jobs) throw new Error(`${waiting} jobs wait, not ${jobs}`);
await queue.close();
