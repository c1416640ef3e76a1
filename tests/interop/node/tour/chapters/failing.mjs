// Children that fail: what each of their four wishes does to the parent.

import { shown } from '../job.mjs';

const UPPER = 'upper';
const LOWER = 'lower';
const WISHES = [
  'failParentOnFailure',
  'ignoreDependencyOnFailure',
  'removeDependencyOnFailure',
  'continueParentOnFailure',
];

export async function play(stage) {
  const flows = await stage.flow();
  const upper = await stage.queue(UPPER);
  const lower = await stage.queue(LOWER);
  for (const wish of ['nothing', ...WISHES]) await aWish(stage, flows, upper, lower, wish);
  await grandparents(stage, flows, upper, lower);
  await mixed(stage, flows, upper, lower);
  await whileActive(stage, upper, lower);
}

const run = (stage, label, name) =>
  stage.working(label, name, async (job) => {
    if (job.name.startsWith('bad')) throw new Error(`${job.name} broke`);
    const failures = await job.getIgnoredChildrenFailures();
    return { values: await job.getChildrenValues(), failures };
  });

async function aWish(stage, flows, upper, lower, wish) {
  const opts = wish === 'nothing' ? {} : { [wish]: true };
  await flows.add({
    name: 'parent',
    queueName: UPPER,
    opts: { jobId: `p-${wish}` },
    children: [
      { name: 'good', queueName: LOWER, opts: { jobId: `good-${wish}` } },
      { name: 'bad', queueName: LOWER, opts: { jobId: `bad-${wish}`, ...opts } },
      { name: 'good', queueName: LOWER, opts: { jobId: `late-${wish}`, delay: 3_600_000 } },
    ],
  });
  await run(stage, `${wish}: children`, LOWER);
  const parent = await upper.getJob(`p-${wish}`);
  await stage.tell(`${wish}: the parent meanwhile`, async () => [
    await parent.getState(),
    shown(await upper.getJob(parent.id)),
    await knows(parent),
  ]);
  await (await lower.getJob(`late-${wish}`)).promote();
  await run(stage, `${wish}: the late child`, LOWER);
  await run(stage, `${wish}: the parent works`, UPPER);
  await stage.tell(`${wish}: the parent at the end`, async () => [
    await parent.getState(),
    shown(await upper.getJob(parent.id)),
    await knows(parent),
  ]);
  await stage.dump(`${wish}: keys`);
  await stage.tell(`${wish}: the bad child gets another chance`, async () => {
    await (await lower.getJob(`bad-${wish}`)).retry();
    return knows(parent);
  });
  await lower.obliterate({ force: true });
  await upper.obliterate({ force: true });
  await stage.dump(`${wish}: what obliterate leaves`);
  await stage.clear();
}

async function knows(job) {
  const found = await job.getDependencies();
  found.unprocessed?.sort();
  const asked = { failed: true, ignored: true, processed: true, unprocessed: true };
  return {
    found,
    counts: await job.getDependenciesCount(asked),
    values: await job.getChildrenValues(),
    ignored: await job.getIgnoredChildrenFailures(),
    failures: await job.getFailedChildrenValues(),
    page: await job.getDependencies({ failed: { count: 10 }, ignored: { count: 10 } }),
  };
}

async function grandparents(stage, flows, upper, lower) {
  await flows.add({
    name: 'top',
    queueName: UPPER,
    opts: { jobId: 'top' },
    children: [
      {
        name: 'middle',
        queueName: UPPER,
        opts: { jobId: 'middle', failParentOnFailure: true },
        children: [
          {
            name: 'bad',
            queueName: LOWER,
            opts: { jobId: 'bottom', failParentOnFailure: true, attempts: 2 },
          },
        ],
      },
    ],
  });
  await run(stage, 'the bottom fails', LOWER);
  await run(stage, 'and takes all with it', UPPER);
  await stage.tell('the top', async () => shown(await upper.getJob('top')));
  await stage.tell('the middle', async () => shown(await upper.getJob('middle')));
  await stage.dump('keys of failed generations');
  await upper.obliterate({ force: true });
  await lower.obliterate({ force: true });
}

async function mixed(stage, flows, upper, lower) {
  await flows.add({
    name: 'mixed',
    queueName: UPPER,
    opts: { jobId: 'mixed' },
    children: WISHES.slice(1).map((wish) => ({
      name: 'bad',
      queueName: LOWER,
      opts: { jobId: `bad-${wish}`, [wish]: true },
    })),
  });
  await run(stage, 'three wishes', LOWER);
  await run(stage, 'a parent with three kinds of failures', UPPER);
  await stage.tell('what it knows', async () => knows(await upper.getJob('mixed')));
  await stage.dump('keys of three wishes');
}

async function whileActive(stage, upper, lower) {
  const worker = await stage.worker(UPPER, null);
  await upper.add('busy', {}, { jobId: 'busy' });
  const busy = await worker.getNextJob('t');
  const parent = { id: 'busy', queue: upper.qualifiedName };
  await lower.add('bad', {}, { jobId: 'bad-1', parent, failParentOnFailure: true });
  await lower.add('good', {}, { jobId: 'good-1', parent, delay: 3_600_000 });
  await stage.tell('completed too early', () => busy.moveToCompleted(1, 't', false));
  await run(stage, 'a child of an active parent fails', LOWER);
  await stage.tell('waiting for failed children', () => busy.moveToWaitingChildren('t'));
  await stage.tell('completed with failed children', () => busy.moveToCompleted(1, 't', false));
  await stage.tell('failed at last', async () => [
    (await busy.moveToFailed(new Error('no use'), 't', false)) ?? null,
    shown(await upper.getJob('busy')),
  ]);
  await stage.dump('keys of a failed active parent');
}
