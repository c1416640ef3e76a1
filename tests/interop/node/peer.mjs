// The real npm bullmq as a process that the Rust interop tests talk to.
//
// One JSON command a line on stdin, one JSON answer a line on stdout:
//   {"id":1,"op":"queue.add","queue":"mail","name":"welcome","data":{}}
//   {"id":1,"ok":true,"value":{"id":"1",…}}    or    {"id":1,"ok":false,"error":"…","name":"TypeError"}
// Lines with "event" instead of "id" are notifications: {"event":"ready",…} once at the start, "worker" and
// "queueEvents" when a command asked for them, "peerError" for anything that failed outside a command.
//
// Commands run concurrently: whoever needs an order waits for the answer. Every command may carry "prefix"
// (BullMQ's default is "bull"). A bad command is answered with ok:false and never ends the process.
// REDIS_URL names the server. The process ends with the `exit` command (workers finish what they hold first),
// and at once when stdin closes or nobody reads stdout: it never outlives its test.
// Next: ops/<noun>.mjs holds the commands of that noun; resources.mjs what they leave open.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { Console } from 'node:console';

import { Resources } from './resources.mjs';
import * as events from './ops/events.mjs';
import * as flow from './ops/flow.mjs';
import * as job from './ops/job.mjs';
import * as keys from './ops/keys.mjs';
import * as queue from './ops/queue.mjs';
import * as scheduler from './ops/scheduler.mjs';
import * as worker from './ops/worker.mjs';

// Stdout belongs to the protocol; a library that prints must not break a line of it.
globalThis.console = new Console(process.stderr, process.stderr);

const url = process.env.REDIS_URL;
if (!url) {
  console.error('peer.mjs: REDIS_URL is not set (redis://host:port)');
  process.exit(2);
}

const resources = new Resources(url, notify);
const operations = new Map(
  [events, flow, job, keys, queue, scheduler, worker].flatMap((noun) => Object.entries(noun.operations)),
);
operations.set('ping', async () => 'pong');
operations.set('exit', () => resources.closeAll());

process.on('unhandledRejection', reportStray);
process.on('uncaughtException', reportStray);

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on('line', (line) => {
  if (line.trim() !== '') answer(line);
});
lines.on('close', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));

const require = createRequire(import.meta.url);
notify('ready', { bullmq: require('bullmq/package.json').version, node: process.versions.node });

async function answer(line) {
  let command = {};
  try {
    command = parse(line);
    const operation = operations.get(command.op);
    if (!operation) {
      throw new TypeError(`unknown op ${JSON.stringify(command.op)}`);
    }
    const value = await operation(command, resources);
    write({ id: command.id, ok: true, value: value ?? null });
  } catch (error) {
    write({ id: command.id ?? null, ok: false, error: textOf(error), name: error?.name ?? 'Error' });
  }
  if (command.op === 'exit') {
    process.exit(0);
  }
}

function parse(line) {
  const command = JSON.parse(line);
  if (command === null || typeof command !== 'object' || Array.isArray(command)) {
    throw new TypeError('a command is a JSON object');
  }
  return command;
}

function notify(event, fields) {
  write({ event, ...fields });
}

function reportStray(error) {
  notify('peerError', { error: textOf(error), name: error?.name ?? 'Error' });
}

function textOf(error) {
  return error?.message ?? String(error);
}

function write(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
