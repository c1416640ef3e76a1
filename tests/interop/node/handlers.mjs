// What a worker of the peer does with a job. A command picks one by kind: {"kind":"failTimes","times":2}.
//
// A handler decides by the job's own counters (attemptsMade, attemptsStarted), never by memory of this
// process: the same job may have started on another worker, in another language.

import { DelayedError, RateLimitError, UnrecoverableError, WaitingError } from 'bullmq';

const kinds = {
  echo: () => async (job) => job.data,

  // How often this worker has run the job.
  counter: (_, running) => async (job) => running.runs.get(job.id),

  // Throws in the first "times" attempts, then returns the data. "unrecoverable" ends it at the first one.
  failTimes: ({ times = 1, message = 'failed on purpose', unrecoverable = false }) => async (job) => {
    if (job.attemptsMade < times) {
      throw unrecoverable ? new UnrecoverableError(message) : new Error(message);
    }
    return job.data;
  },

  // "progress": values reported one after the other; "logs": rows written before them.
  progress: ({ progress = [50, 100], logs = [] }) => async (job) => {
    for (const row of logs) {
      await job.log(row);
    }
    for (const value of progress) {
      await job.updateProgress(value);
    }
    return job.data;
  },

  sleep: ({ ms = 0 }) => async (job) => {
    await new Promise((wake) => setTimeout(wake, ms));
    return job.data;
  },

  // Stays in the handler until `worker.release`: a job that is active for exactly as long as a test wants.
  hold: (_, running) => async (job) => {
    await running.held;
    return job.data;
  },

  // Give the job back once, then return its data.
  delayOnce: ({ ms = 0 }) => async (job, token) => {
    if (job.attemptsStarted > 1) return job.data;
    await job.moveToDelayed(Date.now() + ms, token);
    throw new DelayedError();
  },
  waitOnce: () => async (job, token) => {
    if (job.attemptsStarted > 1) return job.data;
    await job.moveToWait(token);
    throw new WaitingError();
  },
  rateLimitOnce: ({ ms = 0 }, running) => async (job) => {
    if (job.attemptsStarted > 1) return job.data;
    await running.worker.rateLimit(ms);
    throw new RateLimitError();
  },

  childrenValues: () => async (job) => job.getChildrenValues(),
};

/** The processor of that kind for a running worker; a kind nobody knows is a TypeError. */
export function handlerFor(settings, running) {
  const make = Object.hasOwn(kinds, settings.kind) ? kinds[settings.kind] : undefined;
  if (!make) {
    const known = Object.keys(kinds).join(', ');
    throw new TypeError(`unknown handler kind ${JSON.stringify(settings.kind)}; known: ${known}`);
  }
  return make(settings, running);
}
