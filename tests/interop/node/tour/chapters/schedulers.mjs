// Job schedulers: every so often, by pattern, with templates, limits and ends; reading, changing and removing them.

import { listen } from '../stage.mjs';
import { ids, shown } from '../job.mjs';

const HOUR = 60 * 60_000;
/** Far enough away to be shown as it is. */
const THEN = 2_000_000_000_000;
const YEARLY = '0 0 0 1 1 *';

export async function play(stage) {
  const queue = await stage.queue('plans');
  const put = (label, id, ...more) =>
    stage.tell(label, async () => shown(await queue.upsertJobScheduler(id, ...more)));
  await put('from a date on', 'dated', { every: HOUR, startDate: THEN });
  await put('the same again', 'dated', { every: HOUR, startDate: THEN }, { name: 'named', data: { n: 1 } });
  await put(
    'another rhythm',
    'dated',
    { every: 2 * HOUR, startDate: THEN, limit: 9 },
    { name: 'named', data: { n: 2 }, opts: { priority: 3, attempts: 2 } },
  );
  await put(
    'by pattern',
    'yearly',
    { pattern: YEARLY },
    { data: { happy: 'new year' }, opts: { removeOnComplete: true, backoff: 5 } },
  );
  await put('by pattern somewhere', 'zoned', { pattern: YEARLY, tz: 'Asia/Tokyo', limit: 3 });
  await put('another pattern', 'yearly', { pattern: '0 0 12 1 1 *' }, { data: { happy: 'noon' } });
  await put('until a date', 'ending', { pattern: YEARLY, endDate: THEN });
  await put('with an offset', 'offset', { every: HOUR, offset: 60_000, startDate: THEN });
  await put('on some days', 'days', { pattern: '0 6 2-3 1,2 *' });
  await reading(stage, queue);
  await refusals(stage, queue);
  await stage.dump('keys of plans', 'plans');
  await stage.tell('removed', async () => [
    await queue.removeJobScheduler('dated'),
    await queue.removeJobScheduler('dated'),
    await queue.removeJobScheduler('nobody'),
  ]);
  await stage.tell('an iteration is not removed by itself', async () => {
    const [job] = (await queue.getDelayed()).filter(({ repeatJobKey }) => repeatJobKey === 'yearly');
    return [await queue.remove(job.id).catch((error) => error), await job.remove().catch((error) => error)];
  });
  await stage.tell('promoted', async () => {
    const [job] = (await queue.getDelayed()).filter(({ repeatJobKey }) => repeatJobKey === 'yearly');
    await job.promote();
    return shown(await queue.getJob(job.id));
  });
  await stage.working('an iteration ahead of time', 'plans', async (job) => job.data);
  await stage.tell('drained', async () => [
    (await queue.drain(true)) ?? null,
    await queue.getJobCounts(),
    await queue.getJobSchedulersCount(),
  ]);
  await stage.dump('keys of plans after work', 'plans');
  await running(stage);
  await failing(stage);
}

async function reading(stage, queue) {
  await stage.tell('one', () => queue.getJobScheduler('dated'));
  await stage.tell('none', () => queue.getJobScheduler('nobody'));
  await stage.tell('all', () => queue.getJobSchedulers());
  await stage.tell('some, last first', async () =>
    (await queue.getJobSchedulers(0, 1, false)).map(({ key }) => key),
  );
  await stage.tell('some, first first', async () =>
    (await queue.getJobSchedulers(1, 2, true)).map(({ key }) => key),
  );
  await stage.tell('how many', () => queue.getJobSchedulersCount());
  await stage.tell('their jobs', async () => [ids(await queue.getDelayed()), await queue.getJobCounts()]);
}

async function refusals(stage, queue) {
  const refused = (label, ...args) =>
    stage.tell(`refused: ${label}`, async () => shown(await queue.upsertJobScheduler(...args)));
  await refused('both rhythms', 'bad', { every: 10, pattern: YEARLY });
  await refused('no rhythm', 'bad', {});
  await refused('a broken pattern', 'bad', { pattern: 'now and then' });
  await refused('an end before now', 'bad', { every: 10, endDate: 1_000_000_000_000 });
  await refused('an end before the start', 'bad', { every: 10, startDate: THEN, endDate: THEN - HOUR });
  await refused('start and immediately', 'bad', { pattern: YEARLY, immediately: true, startDate: THEN });
  await refused('no id', '', { every: HOUR, startDate: THEN });
  await stage.tell('counts after refusals', () => queue.getJobSchedulersCount());
}

async function running(stage) {
  const queue = await stage.queue('running');
  await queue.upsertJobScheduler(
    'quick',
    { every: 25, limit: 3 },
    { name: 'tick', data: { n: 1 }, opts: { removeOnComplete: 2 } },
  );
  const worker = await stage.worker('running', async (job) => [job.name, job.data, job.opts.repeat.count]);
  const said = listen(worker);
  worker.run();
  await stage.until('three ran', async () => said.filter(([kind]) => kind === 'completed').length === 3);
  await stage.idle('running');
  await worker.close();
  stage.note('three times', said);
  await stage.tell('after its limit', async () => {
    // Where its slots lie within 25 ms depends on when it was made.
    const { offset, ...scheduler } = await queue.getJobScheduler('quick');
    return [scheduler, offset >= 0 && offset < 25, await queue.getJobCounts()];
  });
  await stage.tell('what they were', async () =>
    (await queue.getCompleted()).map((job) => [job.name, job.opts.repeat.count, job.returnvalue]),
  );
}

async function failing(stage) {
  const queue = await stage.queue('unlucky');
  await queue.upsertJobScheduler(
    'unlucky',
    { pattern: YEARLY, immediately: true },
    { name: 'bad', opts: { attempts: 2 } },
  );
  await stage.tell('at once', async () => [
    await queue.getJobCounts(),
    await queue.getJobScheduler('unlucky'),
  ]);
  await stage.working('the schedule goes on', 'unlucky', async () => {
    throw new Error('bad luck');
  });
  await stage.tell('after the failure', async () => [
    await queue.getJobCounts(),
    await queue.getJobScheduler('unlucky'),
  ]);
  await stage.dump('keys of the unlucky', 'unlucky');
}
