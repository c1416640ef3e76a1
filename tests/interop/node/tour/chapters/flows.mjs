// Flows: trees of jobs, what parents learn of their children, and taking trees apart.

import { listen } from '../stage.mjs';
import { ids, shown, tree } from '../job.mjs';

const HOUR = 60 * 60_000;
const UPPER = 'upper';
const LOWER = 'lower';

const child = (jobId, opts = {}) => ({
  name: jobId,
  queueName: LOWER,
  data: { of: jobId },
  opts: { jobId, ...opts },
});

export async function play(stage) {
  const flows = await stage.flow();
  const upper = await stage.queue(UPPER);
  const lower = await stage.queue(LOWER);
  await aTree(stage, flows, upper, lower);
  await manyTrees(stage, flows, upper);
  await generatedIds(stage, flows);
  await byHand(stage, upper, lower);
  await waitingChildren(stage, upper, lower);
  await apart(stage, flows, upper, lower);
  await refusals(stage, flows);
}

async function aTree(stage, flows, upper, lower) {
  const flow = {
    name: 'house',
    queueName: UPPER,
    data: { rooms: 3 },
    opts: { jobId: 'house', priority: 2 },
    children: [
      child('walls'),
      child('roof', { priority: 1 }),
      {
        ...child('garden', { delay: 20 }),
        children: [child('soil'), { ...child('trees'), prefix: stage.prefix }],
      },
    ],
  };
  await stage.tell('a tree', async () =>
    tree(await flows.add(flow, { queuesOptions: { [LOWER]: { defaultJobOptions: { attempts: 2 } } } })),
  );
  await stage.tell('read back', async () =>
    tree(await flows.getFlow({ id: 'house', queueName: UPPER, prefix: stage.prefix })),
  );
  await stage.tell('one level only', async () =>
    tree(await flows.getFlow({ id: 'house', queueName: UPPER, prefix: stage.prefix, depth: 1 })),
  );
  await stage.tell('two levels, some children', async () => {
    const found = await flows.getFlow({
      id: 'house',
      queueName: UPPER,
      prefix: stage.prefix,
      depth: 2,
      maxChildren: 5,
    });
    return found.children.length;
  });
  await stage.tell('no such tree', () =>
    flows.getFlow({ id: 'nobody', queueName: UPPER, prefix: stage.prefix }),
  );
  const house = await upper.getJob('house');
  await stage.tell('waits for its children', async () => [
    await house.getState(),
    await house.isWaitingChildren(),
    ids(await upper.getWaitingChildren()),
    await upper.getWaitingChildrenCount(),
  ]);
  await stage.tell('dependencies before', () => dependencies(house));
  await stage.tell('unfinished, page by page', async () => {
    const { unprocessed, nextUnprocessedCursor } = await house.getDependencies({
      unprocessed: { cursor: 0, count: 50 },
    });
    return [unprocessed.sort(), nextUnprocessedCursor];
  });
  await stage.dump('keys of a tree');
  await stage.tell('a child knows its parent', async () => shown(await lower.getJob('walls')));
  await stage.working('children', LOWER, async (job) => ({
    built: job.name,
    below: Object.values(await job.getChildrenValues())
      .map(({ built }) => built)
      .sort(),
  }));
  await stage.tell('released', async () => [await house.getState(), ids(await upper.getPrioritized())]);
  await stage.tell('dependencies after', () => dependencies(house));
  await stage.tell('finished, page by page', async () => {
    const { processed, nextProcessedCursor } = await house.getDependencies({
      processed: { cursor: 0, count: 50 },
    });
    return [processed, nextProcessedCursor];
  });
  await stage.tell('children, as the queue sees them', async () => {
    const [processed, pending] = [
      await upper.getDependencies('house', 'processed', 0, -1),
      await upper.getDependencies('house', 'pending', 0, -1),
    ];
    return { processed: page(processed), pending: page(pending) };
  });
  await stage.working('the parent', UPPER, async (job) =>
    Object.values(await job.getChildrenValues())
      .map(({ built }) => built)
      .sort(),
  );
  await stage.tell('the whole at the end', async () =>
    tree(await flows.getFlow({ id: 'house', queueName: UPPER, prefix: stage.prefix })),
  );
  await stage.dump('keys of a finished tree');
}

async function dependencies(job) {
  const found = await job.getDependencies();
  found.unprocessed?.sort();
  found.failed?.sort();
  return {
    found,
    counts: await job.getDependenciesCount(),
    some: await job.getDependenciesCount({ processed: true }),
  };
}

function page({ items, jobs, total }) {
  const byId = (a, b) => (a.id < b.id ? -1 : 1);
  return { items: items.sort(byId), jobs: jobs.sort(byId).map(({ id, name }) => [id, name]), total };
}

async function manyTrees(stage, flows, upper) {
  await stage.tell('trees in bulk', async () => {
    const added = await flows.addBulk([
      { name: 'one', queueName: UPPER, opts: { jobId: 'one' }, children: [child('one-a'), child('one-b')] },
      {
        name: 'two',
        queueName: UPPER,
        data: 2,
        opts: { jobId: 'two', delay: HOUR },
        children: [child('two-a')],
      },
      { name: 'alone', queueName: UPPER, opts: { jobId: 'alone', lifo: true } },
      { name: 'childless', queueName: UPPER, opts: { jobId: 'childless' }, children: [] },
    ]);
    return added.map(tree);
  });
  await stage.working('children of the bulk', LOWER, async (job) => job.name);
  await stage.tell('where the parents are', async () => {
    const states = {};
    for (const id of ['one', 'two', 'alone', 'childless']) states[id] = await upper.getJobState(id);
    return states;
  });
  await stage.tell('the same tree again', async () =>
    tree(
      await flows.add({
        name: 'one',
        queueName: UPPER,
        opts: { jobId: 'one' },
        children: [child('one-a'), child('one-c')],
      }),
    ),
  );
  await stage.dump('keys of trees in bulk');
  await stage.working('the new child', LOWER, async (job) => job.name);
  await stage.working('parents of the bulk', UPPER, async (job) =>
    Object.values(await job.getChildrenValues()).sort(),
  );
  await upper.drain(true);
}

async function generatedIds(stage, flows) {
  await stage.tell('ids of its own making', async () => {
    const added = await flows.add({
      name: 'p',
      queueName: 'made',
      children: [
        { name: 'a', queueName: 'made', data: 1 },
        { name: 'b', queueName: 'made' },
      ],
    });
    return tree(added);
  });
  await stage.working('children and parent in one queue', 'made', async (job) => [
    job.name,
    Object.values(await job.getChildrenValues()).length,
  ]);
  await stage.dump('keys with ids of its own making', 'made');
}

async function byHand(stage, upper, lower) {
  const parent = await upper.add('by hand', {}, { jobId: 'hand' });
  await stage.tell('children added one by one', async () => {
    const one = await lower.add(
      'late',
      {},
      { jobId: 'late', parent: { id: 'hand', queue: upper.qualifiedName } },
    );
    const [two] = await lower.addBulk([
      {
        name: 'later',
        data: {},
        opts: { jobId: 'later', parent: { id: 'hand', queue: upper.qualifiedName } },
      },
    ]);
    return [one, two].map(shown);
  });
  await stage.tell('a parent in line with children', async () => [
    await parent.getState(),
    await dependencies(parent),
  ]);
  await stage.tell('a child leaves its parent', async () => {
    const late = await lower.getJob('late');
    return [await late.removeChildDependency(), late.parentKey ?? null, await dependencies(parent)];
  });
  await stage.tell('and again', async () => (await lower.getJob('late')).removeChildDependency());
  await stage.working('a child without its parent', LOWER, async (job) => job.parentKey ?? null);
  await stage.working('a parent with a finished child', UPPER, async (job) => job.getChildrenValues());
}

async function waitingChildren(stage, upper, lower) {
  const { WaitingChildrenError } = stage.bullmq;
  await upper.add('steps', { step: 'first' }, { jobId: 'steps' });
  const worker = await stage.worker(UPPER, async (job, token) => {
    if (job.data.step === 'first') {
      for (const name of ['s1', 's2']) {
        await lower.add(name, {}, { jobId: name, parent: { id: job.id, queue: job.queueQualifiedName } });
      }
      await job.updateData({ step: 'second' });
      if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
    }
    return Object.values(await job.getChildrenValues()).sort();
  });
  const said = listen(worker);
  worker.run();
  await stage.until(
    'the parent waits',
    async () => (await upper.getJobState('steps')) === 'waiting-children',
  );
  await stage.dump('keys of a job that waits for children');
  await stage.work(LOWER, async (job) => job.name);
  await stage.until('the parent is done', async () => (await upper.getJobState('steps')) === 'completed');
  await stage.idle(UPPER);
  await worker.close();
  stage.note('a job that added children of its own', said);
}

async function apart(stage, flows, upper, lower) {
  const flow = (jobId, ...names) =>
    flows.add({ name: jobId, queueName: UPPER, opts: { jobId }, children: names.map((name) => child(name)) });
  const left = async () => ({ upper: await upper.getJobCounts(), lower: await lower.getJobCounts() });
  await upper.drain(true);
  await flow('pa', 'ca1', 'ca2');
  await stage.tell('a child is removed', async () => [
    await lower.remove('ca1'),
    await dependencies(await upper.getJob('pa')),
  ]);
  await stage.tell('the last child is removed', async () => [
    await lower.remove('ca2'),
    await upper.getJobState('pa'),
  ]);
  await flow('pb', 'cb1', 'cb2');
  await stage.tell('the parent is removed alone', async () => [
    await upper.remove('pb', { removeChildren: false }),
    await left(),
    shown(await lower.getJob('cb1')),
  ]);
  await flows.add({
    name: 'pc',
    queueName: UPPER,
    opts: { jobId: 'pc' },
    children: [{ ...child('cc1'), children: [child('cc2')] }],
  });
  await stage.tell('the parent is removed with its children', async () => [
    (await (await upper.getJob('pc')).remove({ removeChildren: true })) ?? null,
    await left(),
  ]);
  await flow('pd', 'cd1', 'cd2', 'cd3');
  const worker = await stage.worker(LOWER, null);
  await lower.drain();
  await flow('pe', 'ce1', 'ce2', 'ce3');
  const done = await worker.getNextJob('t');
  await done.moveToCompleted('first', 't', false);
  const active = await worker.getNextJob('t');
  await stage.tell('no removal while a child is active', async () => upper.remove('pe'));
  await stage.tell('children not yet taken are removed', async () => {
    const parent = await upper.getJob('pe');
    await parent.removeUnprocessedChildren();
    return [done.id, active.id, await left(), await dependencies(parent)];
  });
  await stage.tell('the active child goes on', async () => [
    await active.moveToCompleted('second', 't', false),
    await upper.getJobState('pe'),
  ]);
  await stage.dump('keys of trees taken apart');
}

async function refusals(stage, flows) {
  const refused = (label, flow) => stage.tell(`refused: ${label}`, async () => tree(await flows.add(flow)));
  await refused('a repeated child', {
    name: 'p',
    queueName: 'bad',
    children: [{ name: 'c', queueName: 'bad', opts: { repeat: { every: 10 } } }],
  });
  await refused('a child with an id of digits', {
    name: 'p',
    queueName: 'bad',
    opts: { jobId: 'p' },
    children: [{ name: 'c', queueName: 'bad', opts: { jobId: '7' } }],
  });
  await refused('a parent that is not there', {
    name: 'p',
    queueName: 'bad',
    opts: { jobId: 'p', parent: { id: 'nobody', queue: `${stage.prefix}:bad` } },
  });
  await refused('a deduplicated parent', {
    name: 'p',
    queueName: 'bad',
    opts: { jobId: 'p2', deduplication: { id: 'd' } },
    children: [{ name: 'c', queueName: 'bad', opts: { jobId: 'c2' } }],
  });
  await stage.dump('keys of refused trees', 'bad');
}
