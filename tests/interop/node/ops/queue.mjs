// Commands on a queue: adding, counting, listing, pausing, emptying, settings.
//
// `queue.add` and `queue.addBulk` take BullMQ's own job options in "opts", deduplication included.
// A job is shown as `snapshot` in job.mjs makes it.

import { need } from '../resources.mjs';
import { snapshot } from './job.mjs';

export const operations = {
  // "options" are BullMQ's QueueOptions; needed only where the constructor itself is under test.
  'queue.open': async (command, resources) => {
    await resources.queue(command, command.options);
  },
  'queue.close': (command, resources) => resources.closeQueue(command),

  'queue.add': async (command, resources) => {
    const queue = await resources.queue(command);
    return snapshot(await queue.add(need(command, 'name'), command.data, command.opts));
  },
  // "jobs": [{name, data, opts}]
  'queue.addBulk': async (command, resources) => {
    const queue = await resources.queue(command);
    const jobs = await queue.addBulk(need(command, 'jobs'));
    return jobs.map(snapshot);
  },

  'queue.counts': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getJobCounts(...(command.states ?? []));
  },
  'queue.getJobs': async (command, resources) => {
    const queue = await resources.queue(command);
    const { start = 0, end = -1, ascending = true } = command;
    const jobs = await queue.getJobs(need(command, 'state'), start, end, ascending);
    return jobs.map(snapshot);
  },
  'queue.workers': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getWorkers();
  },
  'queue.metrics': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getMetrics(need(command, 'state'));
  },

  'queue.pause': async (command, resources) => (await resources.queue(command)).pause(),
  'queue.resume': async (command, resources) => (await resources.queue(command)).resume(),
  'queue.isPaused': async (command, resources) => (await resources.queue(command)).isPaused(),

  // "delayed": true also drops delayed jobs
  'queue.drain': async (command, resources) => (await resources.queue(command)).drain(command.delayed),
  'queue.clean': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.clean(command.graceMs ?? 0, command.limit ?? 0, need(command, 'state'));
  },
  'queue.obliterate': async (command, resources) => {
    const queue = await resources.queue(command);
    await queue.obliterate({ force: command.force ?? false });
  },
  'queue.retryJobs': async (command, resources) => {
    await (await resources.queue(command)).retryJobs(command.opts);
  },
  'queue.promoteJobs': async (command, resources) => {
    await (await resources.queue(command)).promoteJobs(command.opts);
  },

  // null takes the limit away
  'queue.setGlobalConcurrency': async (command, resources) => {
    const queue = await resources.queue(command);
    await (command.limit === null
      ? queue.removeGlobalConcurrency()
      : queue.setGlobalConcurrency(need(command, 'limit')));
  },
  'queue.setGlobalRateLimit': async (command, resources) => {
    const queue = await resources.queue(command);
    await (command.max === null
      ? queue.removeGlobalRateLimit()
      : queue.setGlobalRateLimit(need(command, 'max'), need(command, 'durationMs')));
  },
  'queue.deduplicationJobId': async (command, resources) => {
    const queue = await resources.queue(command);
    return queue.getDeduplicationJobId(need(command, 'deduplicationId'));
  },
};
