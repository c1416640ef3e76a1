// What a chapter works with: queues, workers, flows and event readers under a prefix of its own, and its notes.
//
// A note has a label and a value; labels are unique within a chapter and numbered, so that two documents can be laid side
// by side. Everything opened here is closed when the chapter ends.
// Next: normal.mjs (how a value is noted), dump.mjs (how keys are), job.mjs (how a job is).

import { EventEmitter } from 'node:events';

import { Redis } from 'ioredis';

import { dump } from './dump.mjs';
import { Normal } from './normal.mjs';

/** How long something that should happen at once may take on a busy machine. */
const PATIENCE_MS = 15_000;

export class Stage {
  notes = {};
  #labels = new Set();
  #opened = [];
  #normal = new Normal();

  constructor({ bullmq, name, version, url, chapter }) {
    this.bullmq = bullmq;
    this.package = name;
    this.major = Number(version.split('.')[0]);
    this.url = url;
    this.prefix = chapter;
    this.client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: null });
    this.client.on('error', (error) => console.error(`${chapter}:`, error.message));
  }

  /** Options every BullMQ object needs: where the server is, and the key prefix. */
  options(more = {}) {
    return { connection: this.connection(), prefix: this.prefix, ...more };
  }

  connection() {
    return { url: this.url, maxRetriesPerRequest: null };
  }

  async queue(name, options = {}) {
    return this.opened(new this.bullmq.Queue(name, this.options(options)));
  }

  async flow(options = {}) {
    return this.opened(new this.bullmq.FlowProducer(this.options(options)));
  }

  async events(name, options = {}) {
    return this.opened(new this.bullmq.QueueEvents(name, this.options(options)));
  }

  /** A worker that stands still until `run`. It looks for stalled jobs only where a chapter is about them. */
  async worker(name, processor, options = {}) {
    const settled = { autorun: false, skipStalledCheck: true, drainDelay: 1, ...options };
    return this.opened(new this.bullmq.Worker(name, processor, this.options(settled)));
  }

  /** Waits until it is connected, and closes it when the chapter ends. */
  async opened(resource) {
    this.#opened.push(resource);
    resource.on?.('error', (error) => console.error(`${this.prefix}:`, error.message));
    await resource.waitUntilReady?.();
    return resource;
  }

  note(label, value) {
    if (this.#labels.has(label)) {
      throw new Error(`two notes "${label}"`);
    }
    this.#labels.add(label);
    const number = String(this.#labels.size).padStart(3, '0');
    this.notes[`${number} ${label}`] = this.#normal.value(value);
  }

  /** Notes what a call answers or throws, and hands the answer on. */
  async tell(label, call) {
    try {
      const value = await call();
      this.note(label, value);
      return value;
    } catch (error) {
      this.note(label, error);
      return undefined;
    }
  }

  /** The keys of the queues, or of all that the chapter has. */
  async dump(label, ...queues) {
    const under = queues.length === 0 ? [`${this.prefix}:`] : queues.map((name) => `${this.prefix}:${name}:`);
    this.note(label, this.#normal.keys(await dump(this.client, under)));
  }

  /** Forgets all that the chapter stored. */
  async clear() {
    const keys = Object.keys(await dump(this.client, [`${this.prefix}:`]));
    if (keys.length > 0) await this.client.unlink(...keys);
  }

  /** Waits for something that is about to happen. */
  async until(what, happened) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = await happened();
      if (found) return found;
      if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
      await new Promise((wake) => setTimeout(wake, 2));
    }
  }

  /** Waits until the worker has nothing left to do and has popped the last marker. */
  async idle(name) {
    await this.until(`${name} is idle`, () => this.isIdle(name));
  }

  async isIdle(name) {
    const key = (part) => `${this.prefix}:${name}:${part}`;
    const soon = (Date.now() + PATIENCE_MS) * 4096;
    const [[, lines], [, due]] = await this.client
      .multi()
      .exists(key('wait'), key('active'), key('prioritized'), key('marker'))
      .zcount(key('delayed'), '-inf', soon)
      .exec();
    return lines + due === 0;
  }

  /** Lets a worker run the queue empty, and answers what it said meanwhile. */
  async work(name, processor, options = {}) {
    const worker = await this.worker(name, processor, options);
    const said = listen(worker);
    worker.run().catch((error) => console.error(`${this.prefix}:`, error.message));
    await this.idle(name);
    await worker.close();
    return said;
  }

  /** The same, noted. */
  async working(label, name, processor, options = {}) {
    await this.tell(label, () => this.work(name, processor, options));
  }

  async close() {
    for (const resource of this.#opened.reverse()) {
      await within(5_000, resource.close()).catch((error) => console.error(`${this.prefix}:`, error.message));
    }
    this.client.disconnect();
  }
}

/**
 * What a worker says, one line an event, without what depends on the moment: when it found the queue empty, how often
 * it renewed its locks and, unless somebody holds its jobs back, when it was told to close.
 */
export function listen(worker, { isHeldBack = false } = {}) {
  const said = [];
  const emit = EventEmitter.prototype.emit;
  const shown = {
    active: (job, prev) => [job.id, prev],
    completed: (job, value, prev) => [job.id, value ?? null, prev],
    failed: (job, error, prev) => [job?.id ?? null, `${error.name}: ${error.message}`, prev ?? null],
    progress: (job, progress) => [job.id, progress],
    stalled: (id, prev) => [id, prev],
    error: (error) => [error.message],
    paused: () => [],
    resumed: () => [],
    ...(isHeldBack && { closing: () => [], closed: () => [] }),
    lockRenewalFailed: (ids) => ids,
  };
  worker.emit = function speak(kind, ...values) {
    if (Object.hasOwn(shown, kind)) said.push([kind, ...shown[kind](...values)]);
    return emit.call(this, kind, ...values);
  };
  return said;
}

/** A promise to be kept from outside. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not closed within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
