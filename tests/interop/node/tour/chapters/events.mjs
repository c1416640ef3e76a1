// The event stream: every kind of event as QueueEvents hears it, own events, replays and trimming.

import { EventEmitter } from 'node:events';

const HOUR = 60 * 60_000;

export async function play(stage) {
  const heard = await everyKind(stage);
  await replay(stage, heard);
  await ownEvents(stage);
  await trimming(stage);
}

/** Every entry of the stream that QueueEvents tells, whatever its kind. */
async function hear(stage, name, options) {
  const events = await stage.events(name, options);
  const heard = [];
  events.emit = function tell(kind, ...values) {
    const isEntry = /^\d+-\d+$/.test(values.at(-1) ?? '');
    // Each event of a job is repeated as `<kind>:<id>`, for those who wait for one job.
    if (isEntry && !kind.includes(':')) heard.push([kind, ...values.slice(0, -1)]);
    return EventEmitter.prototype.emit.call(this, kind, ...values);
  };
  return {
    events,
    heard,
    until: (kind) => stage.until(`${kind} is heard`, () => heard.some(([name_]) => name_ === kind)),
  };
}

async function everyKind(stage) {
  const queue = await stage.queue('every-kind');
  const flows = await stage.flow();
  const { heard, until } = await hear(stage, 'every-kind', { lastEventId: '0' });
  await queue.add('plain', {}, { jobId: 'plain' });
  await queue.add('plain', {}, { jobId: 'plain' });
  await queue.add('late', {}, { jobId: 'late', delay: HOUR });
  await queue.add('urgent', {}, { jobId: 'urgent', priority: 2 });
  await queue.add('bad', {}, { jobId: 'bad', attempts: 2 });
  await queue.add('single', {}, { jobId: 'single', deduplication: { id: 'x' } });
  await queue.add('single', {}, { jobId: 'double', deduplication: { id: 'x' } });
  await flows.add({
    name: 'up',
    queueName: 'every-kind',
    opts: { jobId: 'up' },
    children: [{ name: 'down', queueName: 'every-kind', opts: { jobId: 'down' } }],
  });
  await queue.pause();
  await queue.resume();
  await stage.work('every-kind', async (job) => {
    if (job.name === 'bad') throw new Error('bad');
    if (job.name === 'plain') await job.updateProgress({ half: 50 });
    return { name: job.name };
  });
  await (await queue.getJob('late')).promote();
  await (await queue.getJob('late')).remove();
  await (await queue.getJob('bad')).retry();
  await queue.clean(0, 0, 'completed');
  await stalled(stage, queue);
  await until('stalled');
  await queue.pause();
  await queue.resume();
  await stage.until('the last is heard', () => heard.filter(([kind]) => kind === 'resumed').length === 2);
  stage.note('every kind', heard);
  await stage.client.del(`${stage.prefix}:every-kind:stalled-check`);
  await stage.dump('the stream itself', 'every-kind');
  return heard;
}

async function stalled(stage, queue) {
  const worker = await stage.worker('every-kind', null, { stalledInterval: 30, skipStalledCheck: false });
  await worker.getNextJob('t');
  await stage.client.del(...(await stage.client.keys(`${stage.prefix}:every-kind:*:lock`)));
  await worker.startStalledCheckTimer();
  await stage.until('the job is back in line', async () => (await queue.getActiveCount()) === 0);
  await worker.close();
}

async function replay(stage, before) {
  const { heard } = await hear(stage, 'every-kind', { lastEventId: '0', blockingTimeout: 50 });
  await stage.until('all is heard again', () => heard.length >= before.length);
  stage.note('a replay tells the same', JSON.stringify(heard) === JSON.stringify(before));
  const { events, heard: later } = await hear(stage, 'every-kind', { autorun: false, lastEventId: '0' });
  stage.note('not before it runs', later);
  const running = events.run();
  // Closed while it still introduces itself, it may fail for that.
  await stage.until('all is heard once more', () => later.length >= before.length);
  await events.close();
  await running;
  stage.note('closed', later.length === before.length);
}

async function ownEvents(stage) {
  const producer = await stage.opened(new stage.bullmq.QueueEventsProducer('own', stage.options()));
  const { heard, until } = await hear(stage, 'own', { lastEventId: '0' });
  await stage.tell('published', () =>
    producer.publishEvent({ eventName: 'greeting', text: 'hello', number: 5, nested: { a: 1 } }),
  );
  await stage.tell('published with a bound', () => producer.publishEvent({ eventName: 'farewell' }, 10));
  await until('farewell');
  stage.note('heard', heard);
  await stage.dump('keys of own events', 'own');
}

// Redis trims whole nodes of a stream, so what exactly is left depends on how long the entries' ids are.
async function trimming(stage) {
  const queue = await stage.queue('trimmed', { streams: { events: { maxLen: 10 } } });
  const length = () => stage.client.xlen(`${stage.prefix}:trimmed:events`);
  await queue.addBulk(Array.from({ length: 150 }, () => ({ name: 'n', data: {} })));
  await stage.tell('adding trims, more or less', async () => (await length()) < 300);
  await stage.working('finishing trims', 'trimmed', async () => 1, { removeOnComplete: { count: 0 } });
  await stage.tell('after work', async () => (await length()) < 150);
  await stage.tell('to nothing', async () => [(await queue.trimEvents(0)) > 0, await length()]);
  await queue.add('n', {});
  await stage.tell('a few are as good as two', async () => [
    await queue.trimEvents(2),
    await queue.trimEvents(1),
    await length(),
  ]);
}
