// One job: reading it, its state, its logs, its data and progress, and removing it.

import { shown } from '../job.mjs';

const STATES = ['isCompleted', 'isFailed', 'isDelayed', 'isWaitingChildren', 'isActive', 'isWaiting'];

export async function play(stage) {
  const { Job } = stage.bullmq;
  const queue = await stage.queue('post');
  const job = await queue.add('letter', { to: 'Ann' }, { keepLogs: 3, attempts: 2 });

  await stage.tell('found by id', async () => shown(await queue.getJob(job.id)));
  await stage.tell('found by Job.fromId', async () => shown(await Job.fromId(queue, job.id)));
  await stage.tell('nobody', async () =>
    [await queue.getJob('nobody'), await Job.fromId(queue, 'nobody')].map((none) => none ?? null),
  );
  await stage.tell('as JSON', () => job.asJSON());
  await stage.tell('for a sandbox', () => job.asJSONSandbox());
  await stage.tell('JSON.stringify', () => JSON.parse(JSON.stringify(job.toJSON())).name);
  await stage.tell('state', async () => [
    await job.getState(),
    await queue.getJobState(job.id),
    await queue.getJobState('nobody'),
  ]);
  await stage.tell('states', async () => {
    const answers = {};
    for (const ask of STATES) answers[ask] = await job[ask]();
    return answers;
  });

  await logs(stage, queue, job);
  await stage.tell('data updated', async () => {
    await job.updateData({ to: 'Bob', copies: 2 });
    return [job.data, (await queue.getJob(job.id)).data];
  });
  await stage.tell('progress updated', async () => {
    await job.updateProgress(30);
    const first = (await queue.getJob(job.id)).progress;
    await job.updateProgress({ percent: 60, step: 'sealed' });
    const second = (await queue.getJob(job.id)).progress;
    await queue.updateJobProgress(job.id, 'almost');
    return [first, second, (await queue.getJob(job.id)).progress];
  });
  await gone(stage, queue);
  await stage.dump('keys');
}

async function logs(stage, queue, job) {
  const { Job } = stage.bullmq;
  const rows = async (...range) => queue.getJobLogs(job.id, ...range);
  await stage.tell('no logs yet', () => rows());
  await stage.tell('logged', async () => [
    await job.log('one'),
    await job.log('two'),
    await job.log('three'),
    await job.log('four'),
  ]);
  await stage.tell('only three kept', () => rows());
  await stage.tell('logged by others', async () => [
    await queue.addJobLog(job.id, 'five'),
    await queue.addJobLog(job.id, 'six', 2),
    await Job.addJobLog(queue, job.id, 'seven', 5),
  ]);
  await stage.tell('all, newest first', () => rows(0, -1, false));
  await stage.tell('two from the second on', () => rows(1, 2, true));
  await stage.tell('two from the second on, newest first', () => rows(1, 2, false));
  await stage.tell('beyond the end', () => rows(10, 20));
  await stage.tell('one row left', async () => [(await job.clearLogs(1)) ?? null, await rows()]);
  await stage.tell('no row left', async () => [(await job.clearLogs()) ?? null, await rows()]);
  await stage.tell('log of a job that is not there', () => queue.addJobLog('nobody', 'row'));
  await job.log('stays');
}

async function gone(stage, queue) {
  const lost = await queue.add('lost', {}, { priority: 2 });
  await lost.log('a row to go with it');
  await stage.tell('removed', async () => [
    (await lost.remove()) ?? null,
    await lost.getState(),
    await queue.getJobLogs(lost.id),
  ]);
  await stage.tell('removed twice', () => lost.remove());
  await stage.tell('removed by the queue', async () => {
    const delayed = await queue.add('later', {}, { delay: 3_600_000 });
    return [await queue.remove(delayed.id), await queue.remove(delayed.id), await queue.remove('nobody')];
  });
  await stage.tell('data of a job that is gone', () => lost.updateData({}));
  await stage.tell('progress of a job that is gone', () => lost.updateProgress(1));
  await stage.tell('log of a job that is gone', () => lost.log('row'));
  await stage.tell('promotion of a job that is gone', () => lost.promote());
  await stage.tell('retry of a job that is gone', () => lost.retry());
  await stage.tell('priority of a job that is gone', () => lost.changePriority({ priority: 1 }));
  await stage.tell('delay of a job that is gone', () => lost.changeDelay(1_000));
}
