// Everything a session opens on the server: queues, workers, event readers, flow producers, one plain client.
//
// Opened on first use and kept, so that a test pays for a connection once. `closeAll` closes workers first:
// their last jobs may still need the rest. Every emitter gets an error listener; without one, a lost
// connection would end the process.

import { FlowProducer, Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';

export class Resources {
  #client;
  #queues = new Map();
  #waiters = new Map();
  #flows = new Map();

  constructor(url, notify) {
    this.url = url;
    this.notify = notify;
    this.workers = new Map();
    this.readers = new Map();
  }

  /** BullMQ options that every object needs: where the server is, and the key prefix. */
  options({ prefix }) {
    const connection = { url: this.url, maxRetriesPerRequest: null };
    return prefix === undefined ? { connection } : { connection, prefix };
  }

  /** The queue a command names; `extra` counts only when this call opens it. */
  async queue(command, extra = {}) {
    const name = need(command, 'queue');
    return this.#open(this.#queues, scopeOf(command), () => {
      return new Queue(name, { ...extra, ...this.options(command) });
    });
  }

  async closeQueue(command) {
    need(command, 'queue');
    const scope = scopeOf(command);
    const queue = await this.#queues.get(scope);
    this.#queues.delete(scope);
    await queue?.close();
    return queue !== undefined;
  }

  /** The silent event reader behind `job.waitUntilFinished`. */
  async waiter(command) {
    const name = need(command, 'queue');
    return this.#open(this.#waiters, scopeOf(command), () => {
      return new QueueEvents(name, this.options(command));
    });
  }

  async flowProducer(command) {
    return this.#open(this.#flows, command.prefix ?? '', () => new FlowProducer(this.options(command)));
  }

  /** A client without any BullMQ around it, to look at keys. */
  client() {
    if (!this.#client) {
      this.#client = new Redis(this.url, { maxRetriesPerRequest: null });
      this.watch(this.#client, 'client');
    }
    return this.#client;
  }

  /** Turns an emitter's errors into notifications. */
  watch(emitter, from) {
    emitter.on('error', (error) => this.notify('peerError', { from, error: error.message, name: error.name }));
  }

  async closeAll() {
    const workers = [...this.workers.values()];
    this.workers.clear();
    await Promise.all(workers.map((running) => running.stop()));
    const readers = [...this.readers.values()];
    this.readers.clear();
    const rest = [this.#queues, this.#waiters, this.#flows].flatMap((opened) => [...opened.values()]);
    const settled = await Promise.allSettled([...readers, ...rest]);
    await Promise.all(settled.map((opened) => opened.value?.close()));
    await this.#client?.quit();
  }

  // The promise is what is kept: two commands that arrive together share one connection.
  #open(opened, scope, create) {
    let pending = opened.get(scope);
    if (!pending) {
      pending = this.#ready(create, scope).catch((error) => {
        opened.delete(scope);
        throw error;
      });
      opened.set(scope, pending);
    }
    return pending;
  }

  async #ready(create, scope) {
    const created = create();
    this.watch(created, scope);
    await created.waitUntilReady();
    return created;
  }
}

/** The value of a field the command cannot do without. */
export function need(command, field) {
  const value = command[field];
  if (value === undefined || value === null) {
    throw new TypeError(`${command.op} needs "${field}"`);
  }
  return value;
}

function scopeOf({ prefix = 'bull', queue }) {
  return `${prefix}:${queue}`;
}
