// Parents and children apart from flows: children added one by one or by their parent, and trees taken apart.

import { LOWER, UPPER, child, dependencies } from '../family.mjs';
import { shown } from '../job.mjs';
import { listen } from '../stage.mjs';

export async function play(stage) {
  const flows = await stage.flow();
  const upper = await stage.queue(UPPER);
  const lower = await stage.queue(LOWER);
  await byHand(stage, upper, lower);
  await waitingChildren(stage, upper, lower);
  await apart(stage, flows, upper, lower);
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
