// Commands that run BullMQ workers. "worker" is the test's own handle; several may serve one queue.
//
// `worker.start` takes "handler" (see handlers.mjs), "options" (BullMQ's WorkerOptions) and "notify": the
// names of worker events to report as {"event":"worker","worker":…,"kind":"completed",…}. Without it the
// worker only counts. It is answered when the worker is connected, not when it has found a job.

import { Worker } from 'bullmq';

import { handlerFor } from '../handlers.mjs';
import { need } from '../resources.mjs';

export const operations = {
  'worker.start': async (command, resources) => {
    const handle = need(command, 'worker');
    if (resources.workers.has(handle)) {
      throw new Error(`worker ${handle} is already running`);
    }
    const running = new RunningWorker(command, resources);
    resources.workers.set(handle, running);
    await running.worker.waitUntilReady();
  },
  // Waits for the jobs in hand, held ones included unless they were released; "force" does not wait.
  'worker.stop': async (command, resources) => {
    const running = find(command, resources);
    await running.worker.close(command.force ?? false);
    resources.workers.delete(command.worker);
    return running.counts();
  },
  'worker.release': async (command, resources) => find(command, resources).release(),
  'worker.counts': async (command, resources) => find(command, resources).counts(),
};

class RunningWorker {
  runs = new Map();
  #counted = { active: 0, completed: 0, failed: 0, stalled: 0, drained: 0, progress: 0 };
  #errors = [];

  constructor(command, resources) {
    this.held = new Promise((release) => (this.release = release));
    const wanted = wantedKinds(command);
    const handler = handlerFor(command.handler ?? { kind: 'echo' }, this);
    const processor = async (job, token) => {
      this.runs.set(job.id, (this.runs.get(job.id) ?? 0) + 1);
      return handler(job, token);
    };
    const options = { ...command.options, ...resources.options(command) };
    this.worker = new Worker(need(command, 'queue'), processor, options);
    this.worker.on('error', (error) => this.#errors.push(error.message));
    this.#listen(command, resources, wanted);
  }

  counts() {
    return { ...this.#counted, errors: this.#errors, runs: Object.fromEntries(this.runs) };
  }

  /** Lets held jobs finish, then stops as a deployment would. */
  async stop() {
    this.release();
    await this.worker.close();
  }

  #listen(command, resources, wanted) {
    for (const kind of Object.keys(this.#counted)) {
      this.worker.on(kind, (...values) => {
        this.#counted[kind] += 1;
        if (wanted.has(kind)) {
          const { worker, queue } = command;
          resources.notify('worker', { worker, queue, kind, ...report[kind](...values) });
        }
      });
    }
  }
}

// The arguments of each worker event, by name. A failed job that is gone by then (stalled, removed) is null.
const report = {
  active: (job) => ({ job: job.id, attemptsStarted: job.attemptsStarted }),
  completed: (job, returnvalue) => ({
    job: job.id,
    attemptsMade: job.attemptsMade,
    returnvalue: returnvalue ?? null,
  }),
  failed: (job, error) => ({
    job: job?.id ?? null,
    attemptsMade: job?.attemptsMade ?? null,
    reason: error?.message ?? null,
    name: error?.name ?? null,
  }),
  stalled: (id) => ({ job: id }),
  drained: () => ({}),
  progress: (job, progress) => ({ job: job.id, progress }),
};

function wantedKinds({ notify = [] }) {
  const unknown = Array.isArray(notify) ? notify.find((kind) => !Object.hasOwn(report, kind)) : notify;
  if (unknown !== undefined) {
    const known = Object.keys(report).join(', ');
    throw new TypeError(`"notify" lists worker events (${known}), not ${JSON.stringify(unknown)}`);
  }
  return new Set(notify);
}

function find(command, resources) {
  const running = resources.workers.get(need(command, 'worker'));
  if (!running) {
    throw new Error(`worker ${command.worker} is not running`);
  }
  return running;
}
