// Jobs taken and finished by hand: tokens, locks, and every way to move an active job, right and wrong.

import { shown } from '../job.mjs';

const HOUR = 60 * 60_000;

export async function play(stage) {
  await finishing(stage);
  await moving(stage);
  await locks(stage);
  await errors(stage);
  await fetching(stage);
}

async function finishing(stage) {
  const queue = await stage.queue('finishing');
  const worker = await stage.worker('finishing', null);
  await stage.tell('nothing to take', () => worker.getNextJob('t', { block: false }));
  await queue.add('good', { n: 1 });
  await queue.add('bad', { n: 2 });
  await queue.add('again', { n: 3 }, { attempts: 2 });
  await queue.add('next', { n: 4 });
  const good = await worker.getNextJob('t1');
  await stage.tell('taken', async () => [
    shown(good),
    good.token,
    await good.getState(),
    await good.isActive(),
  ]);
  await stage.dump('keys with one active', 'finishing');
  const next = await stage.tell('completed, next one fetched', () =>
    good.moveToCompleted({ sum: 1 }, 't1', true),
  );
  await stage.tell('the next one is active', async () => (await queue.getJob('2')).getState());
  const bad = await queue.getJob(next[1]);
  await stage.tell('failed, nothing fetched', () => bad.moveToFailed(new Error('by hand'), 't1', false));
  await stage.tell('failed by hand', async () => shown(await queue.getJob('2')));
  const again = await worker.getNextJob('t2');
  await stage.tell('failed, with attempts left', async () => [
    (await again.moveToFailed(new Error('by hand'), 't2')) ?? null,
    await again.getState(),
  ]);
  const last = await worker.getNextJob('t3');
  await stage.tell('completed without fetching', async () => [
    last.id,
    await last.moveToCompleted('x'.repeat(300), 't3', false),
  ]);
  await stage.dump('keys of finishing', 'finishing');
}

async function moving(stage) {
  const { DelayedError, WaitingError, RateLimitError } = stage.bullmq;
  const queue = await stage.queue('moving');
  const worker = await stage.worker('moving', null);
  await queue.add('delay', {});
  await queue.add('wait', {}, { priority: 3 });
  await queue.add('front', {});
  const first = await worker.getNextJob('t');
  await stage.tell('to delayed', async () => [
    first.id,
    (await first.moveToDelayed(Date.now() + HOUR, 't')) ?? null,
    await first.getState(),
    { delay: first.delay },
  ]);
  const second = await worker.getNextJob('t');
  await stage.tell('back to wait', async () => [
    second.id,
    await second.moveToWait('t'),
    await second.getState(),
  ]);
  const third = await worker.getNextJob('t');
  await stage.tell('no children to wait for', async () => [third.id, await third.moveToWaitingChildren('t')]);
  await third.moveToCompleted(1, 't', false);
  await stage.dump('keys of moving', 'moving');
  await queue.drain(true);
  const handler = async (job, token) => {
    if (job.attemptsStarted > 1) return job.attemptsMade;
    if (job.name === 'late') {
      await job.moveToDelayed(Date.now() + 5, token);
      throw new DelayedError();
    }
    if (job.name === 'again') {
      await job.moveToWait(token);
      throw new WaitingError();
    }
    return 'at once';
  };
  for (const name of ['late', 'again', 'plain']) {
    await queue.add(name, {}, { jobId: `job ${name}` });
    await stage.working(`a handler gives its job back: ${name}`, 'moving', handler);
  }
  await stage.tell('names of the errors', () => [
    new DelayedError('d'),
    new WaitingError(),
    new RateLimitError(),
  ]);
  await stage.dump('keys after giving back', 'moving');
}

async function locks(stage) {
  const queue = await stage.queue('locks');
  const worker = await stage.worker('locks', null, { lockDuration: 60_000 });
  await queue.add('held', {});
  const job = await worker.getNextJob('mine');
  const ttl = async () => {
    const left = await stage.client.pttl(`${stage.prefix}:locks:1:lock`);
    return left > 600_000 ? 'hours' : left > 30_000 ? 'a minute' : left;
  };
  await stage.tell('locked', async () => [
    await stage.client.get(`${stage.prefix}:locks:1:lock`),
    await ttl(),
  ]);
  await stage.tell('extended', async () => [await job.extendLock('mine', HOUR), await ttl()]);
  await stage.tell('extended by somebody else', () => job.extendLock('theirs', 1_000));
  await stage.tell('two locks at once', () =>
    worker.extendJobLocks(['1', 'nobody'], ['mine', 'mine'], 60_000),
  );
  await stage.tell('removed while locked', () => queue.remove('1'));
  await stage.tell('job removed while locked', () => job.remove());
  await stage.tell('still active', async () => [await job.getState(), await ttl()]);
  await job.moveToCompleted('freed', 'mine', false);
  await stage.tell('unlocked', () => stage.client.exists(`${stage.prefix}:locks:1:lock`));
}

async function errors(stage) {
  const queue = await stage.queue('errors');
  const worker = await stage.worker('errors', null);
  for (const name of ['a', 'b']) await queue.add(name, {});
  const [active, waiting] = [await worker.getNextJob('mine'), await queue.getJob('2')];
  const ways = {
    complete: (job, token) => job.moveToCompleted(1, token, false),
    fail: (job, token) => job.moveToFailed(new Error('no'), token, false),
    delay: (job, token) => job.moveToDelayed(Date.now() + HOUR, token),
    wait: (job, token) => job.moveToWait(token),
    'wait for children': (job, token) => job.moveToWaitingChildren(token),
  };
  for (const [name, way] of Object.entries(ways)) {
    await stage.tell(`${name}: with a wrong token`, () => way(active, 'theirs'));
    await stage.tell(`${name}: a job that is not active`, () => way(waiting, 'mine'));
  }
  await stage.tell('promote an active job', () => active.promote());
  await stage.tell('retry an active job', () => active.retry());
  await stage.client.del(`${stage.prefix}:errors:1:lock`);
  for (const [name, way] of Object.entries(ways)) {
    await stage.tell(`${name}: a job whose lock is lost`, () => way(active, 'mine'));
  }
  await stage.client.del(`${stage.prefix}:errors:1`);
  for (const [name, way] of Object.entries(ways)) {
    await stage.tell(`${name}: a job that is gone`, () => way(active, 'mine'));
  }
  await stage.dump('keys of errors', 'errors');
}

async function fetching(stage) {
  const queue = await stage.queue('fetching');
  const worker = await stage.worker('fetching', null);
  await stage.tell('nothing there', async () => (await worker.getNextJob('t')) ?? null);
  await stage.tell('blocked until a job comes', async () => {
    const coming = worker.getNextJob('t');
    await stage.until('it waits', async () =>
      (await queue.getWorkers()).some(({ cmd }) => cmd === 'bzpopmin'),
    );
    await queue.add('late', {});
    const job = await coming;
    return [job.id, await job.moveToCompleted(1, 't')];
  });
  await stage.tell('a delayed job when it is due', async () => {
    await queue.add('soon', {}, { delay: 30 });
    const job = await stage.until('it is due', () => worker.getNextJob('t'));
    return shown(job);
  });
  // How often the worker had to ask decides which markers are left.
  await stage.client.del(`${stage.prefix}:fetching:marker`);
  await stage.dump('keys of fetching', 'fetching');
}
