// Flows: trees of jobs, added, read back and worked off.

import { HOUR, LOWER, UPPER, child, dependencies, page } from '../family.mjs';
import { ids, shown, tree } from '../job.mjs';

export async function play(stage) {
  const flows = await stage.flow();
  const upper = await stage.queue(UPPER);
  const lower = await stage.queue(LOWER);
  await aTree(stage, flows, upper, lower);
  await manyTrees(stage, flows, upper);
  await generatedIds(stage, flows);
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
