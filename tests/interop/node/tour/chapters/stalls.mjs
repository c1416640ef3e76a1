// Workers that die or lose their locks, and what the others make of it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { gate, listen } from '../stage.mjs';
import { shown } from '../job.mjs';

const DOOMED = fileURLToPath(new URL('../doomed.mjs', import.meta.url));
/** How often the others look for lost jobs. */
const SOON = { skipStalledCheck: false, stalledInterval: 40 };
/** How soon the lock of a lost job is over. */
const SHORT = { lockDuration: 60 };

export async function play(stage) {
  await killed(stage);
  await tooOften(stage);
  await keptAlive(stage);
  await lockLost(stage);
  await defaults(stage);
}

async function killed(stage) {
  const queue = await stage.queue('killed');
  await queue.add('survivor', { n: 1 });
  const child = spawn(process.execPath, [DOOMED, stage.package, 'killed', stage.prefix], {
    env: { ...process.env, REDIS_URL: stage.url },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await stage.tell('still active', async () => (await queue.getJob('1')).getState());
  const worker = await stage.worker(
    'killed',
    async (job) => [job.attemptsStarted, job.attemptsMade, job.stalledCounter],
    SOON,
  );
  const said = listen(worker);
  worker.run();
  await stage.until('somebody else finished it', async () => (await queue.getCompletedCount()) === 1);
  await stage.idle('killed');
  await worker.close();
  stage.note('what the other one said', said);
  await stage.tell('the survivor', async () => shown(await queue.getJob('1')));
  await stage.client.del(`${stage.prefix}:killed:stalled-check`);
  await stage.dump('keys after a kill', 'killed');
}

async function tooOften(stage) {
  const queue = await stage.queue('too-often');
  await queue.add('fragile', {}, { attempts: 3 });
  const doomed = await stage.worker('too-often', null, SHORT);
  for (const round of [1, 2]) {
    const job = await doomed.getNextJob(`t${round}`);
    await stage.until(
      'the lock is over',
      async () => !(await stage.client.exists(`${stage.prefix}:too-often:${job.id}:lock`)),
    );
    const checker = await stage.worker('too-often', null, { ...SOON, maxStalledCount: 1 });
    const said = listen(checker);
    await checker.startStalledCheckTimer();
    await stage.until('it is noticed', async () => (await queue.getActiveCount()) === 0);
    await checker.close();
    stage.note(
      `noticed, round ${round}`,
      said.filter(([kind]) => kind === 'stalled'),
    );
    await stage.tell(`after round ${round}`, async () => shown(await queue.getJob('1')));
  }
  await stage.working('the last worker', 'too-often', async () => 'never reached');
  await stage.tell('given up', async () => shown(await queue.getJob('1')));
  await stage.client.del(`${stage.prefix}:too-often:stalled-check`);
  await stage.dump('keys of the fragile', 'too-often');
}

async function keptAlive(stage) {
  const queue = await stage.queue('kept-alive');
  await queue.add('long', {});
  const { open, opened } = gate();
  const worker = await stage.worker('kept-alive', () => opened, {
    ...SOON,
    lockDuration: 2_000,
    lockRenewTime: 40,
  });
  const renewed = gate();
  let times = 0;
  worker.on('locksRenewed', ({ jobIds }) => {
    times += 1;
    if (times === 3) renewed.open(jobIds);
  });
  const said = listen(worker);
  worker.run();
  await renewed.opened;
  open('alive');
  await stage.until('done', async () => (await queue.getCompletedCount()) === 1);
  await worker.close();
  stage.note('never stalled', said);
}

async function lockLost(stage) {
  const queue = await stage.queue('lock-lost');
  await queue.add('taken away', {});
  const { open, opened } = gate();
  const worker = await stage.worker('lock-lost', () => opened, { lockDuration: 10_000, lockRenewTime: 40 });
  const said = listen(worker);
  worker.run();
  await stage.until('it runs', () => said.length === 1);
  await stage.client.set(`${stage.prefix}:lock-lost:1:lock`, 'somebody else');
  await stage.until('the renewal fails', () => said.some(([kind]) => kind === 'lockRenewalFailed'));
  open('too late');
  await stage.until('the worker complains', () => said.some(([kind]) => kind === 'error'));
  await worker.close(true);
  const kinds = said.filter(
    ([kind], at) => kind !== 'lockRenewalFailed' || said.findIndex(([first]) => first === kind) === at,
  );
  stage.note('somebody else has the lock', kinds);
  await stage.tell('and the job', async () => shown(await queue.getJob('1')));
}

async function defaults(stage) {
  const queue = await stage.queue('defaults');
  await queue.add('plain', {});
  const worker = await stage.opened(new stage.bullmq.Worker('defaults', async () => 1, stage.options()));
  await stage.until('it checked', async () => stage.client.exists(`${stage.prefix}:defaults:stalled-check`));
  await stage.idle('defaults');
  await worker.close();
  await stage.tell('one check in half a minute', async () => {
    const ttl = await stage.client.pttl(`${stage.prefix}:defaults:stalled-check`);
    return ttl > 15_000 && ttl <= 30_000;
  });
}
