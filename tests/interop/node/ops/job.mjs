// Commands on one job, named by "queue" and "job" (its id), and the JSON shape in which jobs are answered.
//
// `job.get` answers null for a job that is not there; every other command fails.

import { Job } from 'bullmq';

import { need } from '../resources.mjs';

export const operations = {
  'job.get': async (command, resources) => {
    const job = await find(command, resources);
    return job && { ...snapshot(job), state: await job.getState() };
  },
  'job.state': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getJobState(String(need(command, 'job')));
  },
  'job.logs': async (command, resources) => {
    const queue = await resources.queue(command);
    const { start, end, ascending } = command;
    return queue.getJobLogs(String(need(command, 'job')), start, end, ascending);
  },
  'job.log': async (command, resources) => (await existing(command, resources)).log(need(command, 'row')),
  'job.clearLogs': async (command, resources) => (await existing(command, resources)).clearLogs(command.keep),

  'job.updateProgress': async (command, resources) => {
    await (await existing(command, resources)).updateProgress(need(command, 'progress'));
  },
  'job.updateData': async (command, resources) => {
    await (await existing(command, resources)).updateData(command.data);
  },
  'job.changeDelay': async (command, resources) => {
    await (await existing(command, resources)).changeDelay(need(command, 'delayMs'));
  },
  // "opts": {priority?, lifo?}
  'job.changePriority': async (command, resources) => {
    await (await existing(command, resources)).changePriority(need(command, 'opts'));
  },
  'job.promote': async (command, resources) => (await existing(command, resources)).promote(),
  // "state": "failed" (default) or "completed"; "opts": {resetAttemptsMade?, resetAttemptsStarted?}
  'job.retry': async (command, resources) => {
    await (await existing(command, resources)).retry(command.state, command.opts);
  },
  // "opts": {removeChildren?}
  'job.remove': async (command, resources) => (await existing(command, resources)).remove(command.opts),

  'job.dependencies': async (command, resources) => (await existing(command, resources)).getDependencies(),
  'job.childrenValues': async (command, resources) => {
    return (await existing(command, resources)).getChildrenValues();
  },

  // Answers the return value; a failed job is ok:false with its reason as the error. "ttlMs" bounds the wait.
  'job.waitUntilFinished': async (command, resources) => {
    const job = await existing(command, resources);
    return job.waitUntilFinished(await resources.waiter(command), command.ttlMs);
  },
};

/** Everything a job's hash says, as BullMQ reads it; what is missing is null. */
export function snapshot(job) {
  return {
    id: job.id,
    name: job.name,
    data: job.data ?? null,
    opts: job.opts,
    timestamp: job.timestamp,
    delay: job.delay ?? 0,
    priority: job.priority,
    attemptsMade: job.attemptsMade,
    attemptsStarted: job.attemptsStarted,
    stalledCounter: job.stalledCounter,
    processedOn: job.processedOn ?? null,
    processedBy: job.processedBy ?? null,
    finishedOn: job.finishedOn ?? null,
    progress: job.progress ?? null,
    returnvalue: job.returnvalue ?? null,
    failedReason: job.failedReason ?? null,
    stacktrace: job.stacktrace ?? [],
    deferredFailure: job.deferredFailure ?? null,
    deduplicationId: job.deduplicationId ?? null,
    repeatJobKey: job.repeatJobKey ?? null,
    parentKey: job.parentKey ?? null,
    parent: job.parent ?? null,
  };
}

async function find(command, resources) {
  const queue = await resources.queue(command);
  return Job.fromId(queue, String(need(command, 'job')));
}

async function existing(command, resources) {
  const job = await find(command, resources);
  if (!job) {
    throw new Error(`queue ${command.queue} has no job ${command.job}`);
  }
  return job;
}
