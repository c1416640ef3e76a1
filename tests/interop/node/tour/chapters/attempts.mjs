// Running jobs: results, retries with every backoff, giving up, and jobs that wait for their end.

import { listen } from '../stage.mjs';
import { ids, shown } from '../job.mjs';

export async function play(stage) {
  await results(stage);
  await backoffs(stage);
  await givingUp(stage);
  await waiting(stage);
  await retries(stage);
}

async function results(stage) {
  const queue = await stage.queue('results');
  const values = {
    text: 'done',
    number: 1.5,
    nothing: undefined,
    null: null,
    list: [1, [2, { three: 3 }]],
    empty: {},
    no: false,
  };
  await queue.addBulk(Object.keys(values).map((name) => ({ name, data: {}, opts: { jobId: name } })));
  await stage.working('every kind of result', 'results', async (job) => values[job.name], { name: 'herder' });
  await stage.tell('results, read back', async () =>
    (await queue.getCompleted()).map((job) => [job.id, job.returnvalue, job.processedBy]).sort(),
  );
  await stage.tell('a completed job', async () => shown(await queue.getJob('list')));
  await stage.tell('its state', async () => {
    const job = await queue.getJob('list');
    return [await job.getState(), await job.isCompleted(), await job.isFailed()];
  });
  await stage.dump('keys of results', 'results');
}

async function backoffs(stage) {
  const queue = await stage.queue('backoffs');
  const settings = {
    backoffStrategy: (made, type, error) => {
      if (type === 'stop') return -1;
      return type === 'at once' ? 0 : made * 10 + error.message.length;
    },
  };
  const add = (name, backoff) => queue.add(name, {}, { jobId: name, attempts: 3, backoff });
  const cases = {
    none: undefined,
    number: 5,
    fixed: { type: 'fixed', delay: 10 },
    exponential: { type: 'exponential', delay: 5 },
    custom: { type: 'custom' },
    immediate: { type: 'at once' },
    stopped: { type: 'stop' },
  };
  for (const [name, backoff] of Object.entries(cases)) {
    await add(name, backoff);
    await stage.working(
      `backoff ${name}`,
      'backoffs',
      async (job) => {
        if (job.attemptsMade < 2) throw new Error(`not yet ${job.attemptsMade}`);
        return [job.attemptsMade, job.attemptsStarted, job.delay];
      },
      { settings },
    );
    await stage.tell(`after backoff ${name}`, async () => shown(await queue.getJob(name)));
  }
  await add('unknown', { type: 'nobody knows' });
  const worker = await stage.worker('backoffs', async () => {
    throw new Error('once');
  });
  const said = listen(worker);
  worker.run();
  await stage.until('the worker complains', () => said.some(([kind]) => kind === 'error'));
  await worker.close(true);
  stage.note('an unknown backoff', said);
  await stage.tell('after an unknown backoff', () => queue.getJobCounts());
  await queue.obliterate({ force: true });

  await queue.add('later', {}, { jobId: 'later', attempts: 2, backoff: 3_600_000 });
  await queue.add('urgent', {}, { jobId: 'urgent', attempts: 2, backoff: 3_600_000, priority: 4 });
  await stage.working('backoff of an hour', 'backoffs', async () => {
    throw new Error('wait');
  });
  await stage.dump('keys during a backoff', 'backoffs');
}

async function givingUp(stage) {
  const { UnrecoverableError } = stage.bullmq;
  const queue = await stage.queue('giving-up');
  class Special extends Error {
    constructor() {
      super('special');
      this.name = 'Special';
    }
  }
  const handlers = {
    plain: async () => {
      throw new Error('plain');
    },
    special: async () => {
      throw new Special();
    },
    unrecoverable: async () => {
      throw new UnrecoverableError('for good');
    },
    'unrecoverable without words': async () => {
      throw new UnrecoverableError();
    },
    text: async () => {
      throw 'only text';
    },
    'without words': async () => {
      throw new Error();
    },
    ...(stage.major < 6 && {
      discarded: async (job) => {
        job.discard();
        throw new Error('discarded');
      },
    }),
  };
  for (const name of Object.keys(handlers)) {
    await queue.add(
      name,
      {},
      { jobId: name, attempts: name.startsWith('unrec') || name === 'discarded' ? 5 : 1, stackTraceLimit: 1 },
    );
  }
  await stage.working('every way to fail', 'giving-up', (job) => handlers[job.name](job));
  await stage.tell('failed jobs', async () =>
    (await queue.getFailed()).map(shown).sort((a, b) => (a.id < b.id ? -1 : 1)),
  );

  await queue.add('traces', {}, { jobId: 'traces', attempts: 4, stackTraceLimit: 2 });
  await queue.add('no traces', {}, { jobId: 'no traces', attempts: 2, stackTraceLimit: 0 });
  await stage.working('stack traces', 'giving-up', async (job) => {
    throw new Error(`attempt ${job.attemptsMade}`);
  });
  await stage.tell('two traces kept', async () => (await queue.getJob('traces')).stacktrace.length);
  await queue.add('started', {}, { jobId: 'started', attempts: 9 });
  await stage.working(
    'at most two starts',
    'giving-up',
    async () => {
      throw new Error('again');
    },
    { maxStartedAttempts: 2 },
  );
  await stage.tell('after two starts', async () => shown(await queue.getJob('started')));
  await stage.dump('keys of failures', 'giving-up');
}

async function waiting(stage) {
  const queue = await stage.queue('waited-for');
  const events = await stage.events('waited-for');
  const worker = await stage.worker('waited-for', async (job) => {
    if (job.name === 'fail') throw new Error('as agreed');
    return { said: job.data };
  });
  const [good, bad] = [await queue.add('good', 'hello'), await queue.add('fail', {})];
  const ends = Promise.allSettled([
    good.waitUntilFinished(events, 10_000),
    bad.waitUntilFinished(events, 10_000),
  ]);
  worker.run();
  await stage.tell('waited for the end', async () =>
    (await ends).map((end) => end.value ?? `${end.reason.name}: ${end.reason.message}`),
  );
  await stage.tell('already completed', () => good.waitUntilFinished(events, 10_000));
  await stage.tell('already failed', () => bad.waitUntilFinished(events, 10_000));
  await worker.close();
  const never = await queue.add('never', {});
  await stage.tell('no longer than 20 ms', () => never.waitUntilFinished(events, 20));
  await stage.tell('waited for a job that is gone', async () => {
    await never.remove();
    return never.waitUntilFinished(events, 10_000);
  });
}

async function retries(stage) {
  const queue = await stage.queue('retries');
  await queue.addBulk(['a', 'b', 'c', 'd', 'e'].map((jobId) => ({ name: jobId, data: {}, opts: { jobId } })));
  let broken = true;
  const run = (label) =>
    stage.working(label, 'retries', async (job) => {
      if (broken && job.name !== 'e') throw new Error('broken');
      return 'mended';
    });
  const counts = () => queue.getJobCounts('waiting', 'failed', 'completed');
  await run('while broken');
  broken = false;
  await stage.tell('one by hand', async () => {
    const job = await queue.getJob('a');
    await job.retry();
    return [await counts(), shown(await queue.getJob('a')), job.failedReason ?? null];
  });
  await stage.tell('retried twice', async () => (await queue.getJob('a')).retry());
  await stage.tell('with fresh counters', async () => {
    await (await queue.getJob('b')).retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
    return shown(await queue.getJob('b'));
  });
  await stage.tell('a completed one', async () => {
    await (await queue.getJob('e')).retry('completed');
    return shown(await queue.getJob('e'));
  });
  await stage.tell('in the wrong state', async () => (await queue.getJob('c')).retry('completed'));
  await stage.dump('keys of retries', 'retries');
  await run('after mending');
  await stage.tell('only those that failed long ago', async () => [
    (await queue.retryJobs({ timestamp: 1_000_000_000_000 })) ?? null,
    await counts(),
  ]);
  await stage.tell('one of the rest', async () => [
    (await queue.retryJobs({ count: 1 })) ?? null,
    await counts(),
  ]);
  await stage.tell('completed ones too', async () => [
    (await queue.retryJobs({ state: 'completed', timestamp: Date.now() + 1 })) ?? null,
    await counts(),
  ]);
  await stage.tell('waiting again', async () => ids(await queue.getWaiting()).sort());
  await run('the last time');
  await stage.dump('keys of retries at the end', 'retries');
}
