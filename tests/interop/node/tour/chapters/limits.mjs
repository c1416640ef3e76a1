// Rate limits and limits of concurrency: of one worker, of the whole queue, and by hand.

import { gate, listen } from '../stage.mjs';
import { shown } from '../job.mjs';

const HOUR = 60 * 60_000;

export async function play(stage) {
  await ofAWorker(stage);
  await byHand(stage);
  await ofTheQueue(stage);
  await concurrency(stage);
}

const some = (ttl) => (ttl > 0 ? 'some time' : ttl);

async function ofAWorker(stage) {
  const queue = await stage.queue('of-a-worker');
  await queue.addBulk([1, 2, 3, 4].map((n) => ({ name: 'job', data: { n } })));
  const limiter = { max: 2, duration: 150 };
  const worker = await stage.worker('of-a-worker', async (job) => job.data.n, { limiter });
  const said = listen(worker);
  worker.run();
  await stage.until('all ran', async () => (await queue.getCompletedCount()) === 4);
  await stage.until('the queue is at rest', async () => (await queue.getActiveCount()) === 0);
  await worker.close();
  stage.note('two at a time', said);
  await stage.tell('the third has waited', async () => {
    const [first, third] = [await queue.getJob('1'), await queue.getJob('3')];
    return third.processedOn - first.processedOn >= limiter.duration - 20;
  });
  await stage.until('the window is over', async () => (await queue.getRateLimitTtl()) < 0);
  await stage.tell('no limit any more', async () => [
    await queue.getRateLimitTtl(2),
    await queue.getRateLimitTtl(1_000),
    await queue.isMaxed(),
  ]);
}

async function byHand(stage) {
  const { RateLimitError } = stage.bullmq;
  const queue = await stage.queue('by-hand');
  await queue.add('plain', {});
  await queue.add('urgent', {}, { priority: 1 });
  const worker = await stage.worker(
    'by-hand',
    async (job) => {
      if (job.attemptsStarted === 1) {
        await worker.rateLimit(60);
        throw new RateLimitError();
      }
      return [job.attemptsMade, job.attemptsStarted];
    },
    { limiter: { max: 1, duration: 20 } },
  );
  const said = listen(worker);
  worker.run();
  await stage.until('both ran', async () => (await queue.getCompletedCount()) === 2);
  await worker.close();
  stage.note('the handler asks for a rest', said);
  await stage.tell('afterwards', async () =>
    (await queue.getCompleted()).map(shown).sort((a, b) => (a.id < b.id ? -1 : 1)),
  );
  await stage.tell('by the queue', async () => {
    await queue.rateLimit(HOUR);
    const ttl = await queue.getRateLimitTtl();
    return [some(ttl), ttl <= HOUR, await stage.client.get(`${stage.prefix}:by-hand:limiter`)];
  });
  await queue.add('held', {});
  await stage.tell('nobody gets a job', async () => (await another(stage)).getNextJob('t', { block: false }));
  await stage.tell('freed', async () => [
    await queue.removeRateLimitKey(),
    await queue.removeRateLimitKey(),
    await queue.getRateLimitTtl(),
  ]);
  await stage.tell(
    'somebody gets it',
    async () => (await (await another(stage)).getNextJob('t', { block: false })).id,
  );
  // Whether the worker looked once more after its last rest is chance.
  await stage.client.del(`${stage.prefix}:by-hand:events`, `${stage.prefix}:by-hand:pc`);
  await stage.dump('keys by hand', 'by-hand');
}

const another = (stage) => stage.worker('by-hand', null, { limiter: { max: 1, duration: HOUR } });

async function ofTheQueue(stage) {
  const queue = await stage.queue('of-the-queue');
  await stage.tell('none set', () => queue.getGlobalRateLimit());
  await stage.tell('set', async () => [
    await queue.setGlobalRateLimit(1, HOUR),
    await queue.getGlobalRateLimit(),
    await queue.getMeta(),
  ]);
  await queue.addBulk([1, 2].map((n) => ({ name: 'job', data: { n } })));
  const worker = await stage.worker('of-the-queue', null);
  await stage.tell('one only', async () => {
    const [first, second] = [
      await worker.getNextJob('t', { block: false }),
      await worker.getNextJob('t', { block: false }),
    ];
    const ttl = await queue.getRateLimitTtl();
    return [first?.id, second?.id, some(ttl)];
  });
  await stage.tell('completed while limited', async () => {
    const answer = await (await queue.getJob('1')).moveToCompleted(1, 't', true);
    return answer && answer.map((item) => (typeof item === 'number' && item > 1_000 ? 'some time' : item));
  });
  await stage.dump('keys of the queue', 'of-the-queue');
  await stage.tell('removed', async () => [
    await queue.removeGlobalRateLimit(),
    await queue.getGlobalRateLimit(),
    await queue.removeGlobalRateLimit(),
  ]);
}

async function concurrency(stage) {
  const queue = await stage.queue('concurrency');
  await stage.tell('no bound', async () => [await queue.getGlobalConcurrency(), await queue.isMaxed()]);
  await stage.tell('one at a time', async () => [
    await queue.setGlobalConcurrency(1),
    await queue.getGlobalConcurrency(),
    await queue.isMaxed(),
  ]);
  await queue.addBulk(
    [1, 2, 3].map((n) => ({ name: 'job', data: { n }, opts: { priority: n === 2 ? 1 : 0 } })),
  );
  const { open, opened } = gate();
  const worker = await stage.worker(
    'concurrency',
    async (job) => {
      await opened;
      return job.data.n;
    },
    { concurrency: 5 },
  );
  const said = listen(worker);
  worker.run();
  await stage.until('one runs', async () => (await queue.getActiveCount()) === 1);
  await stage.tell('at its bound', async () => [
    await queue.isMaxed(),
    await queue.getJobCounts(),
    await queue.getMeta(),
  ]);
  const other = await stage.worker('concurrency', null);
  await stage.tell('nothing for others', async () => (await other.getNextJob('t', { block: false })) ?? null);
  await stage.dump('keys at the bound', 'concurrency');
  open();
  await stage.until('all ran', async () => (await queue.getCompletedCount()) === 3);
  await stage.until('at rest', async () => (await queue.getActiveCount()) === 0);
  await worker.close();
  stage.note('one after the other', said);
  await stage.tell('bound removed', async () => [
    await queue.removeGlobalConcurrency(),
    await queue.getGlobalConcurrency(),
    await queue.isMaxed(),
  ]);
}
