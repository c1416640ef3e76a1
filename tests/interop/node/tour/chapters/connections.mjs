// How BullMQ is given its connection, and what it finds out about the server.

import { Redis } from 'ioredis';

export async function play(stage) {
  const { Queue, Worker } = stage.bullmq;
  const { hostname: host, port } = new URL(stage.url);
  const shared = new Redis(stage.url, { maxRetriesPerRequest: null });
  const ways = {
    'host and port': { host, port: Number(port) },
    'a connection of the caller': shared,
    'with a name': { url: stage.url, connectionName: 'herd', maxRetriesPerRequest: null },
    'another database': { url: stage.url, db: 3, maxRetriesPerRequest: null },
    'connected when needed': { url: stage.url, lazyConnect: true, maxRetriesPerRequest: null },
    'without a ready check': { url: stage.url, enableReadyCheck: false, maxRetriesPerRequest: null },
  };
  for (const [label, connection] of Object.entries(ways)) {
    const name = label.replaceAll(' ', '-');
    await stage.tell(label, async () => {
      const queue = await stage.opened(new Queue(name, { connection, prefix: stage.prefix }));
      const worker = await stage.opened(
        new Worker(name, async (job) => job.data, {
          connection: connection === shared ? shared : { maxRetriesPerRequest: null, ...connection },
          prefix: stage.prefix,
          autorun: false,
        }),
      );
      const done = new Promise((resolve) => worker.on('completed', (job, value) => resolve(value)));
      worker.run();
      await queue.add('job', label);
      const value = await done;
      await worker.close();
      await queue.close();
      return value;
    });
  }
  await stage.tell('the caller keeps what is his', () => shared.ping());
  await stage.tell('a password nobody asked for', async () => {
    const strange = new Redis(stage.url, {
      password: 'secret',
      maxRetriesPerRequest: null,
      retryStrategy: null,
      lazyConnect: true,
    });
    const said = new Promise((resolve) => strange.on('error', (error) => resolve(error.message)));
    await strange.connect().catch(() => {});
    const answer = await strange.ping().catch((error) => error.message);
    strange.disconnect();
    return [answer, await Promise.race([said, 'nothing'])];
  });
  await stage.tell('the server', async () => {
    const queue = await stage.queue('server');
    const version = queue.redisVersion ?? queue.getBackend?.()?.redisVersion ?? null;
    return [version !== undefined, await queue.getVersion()];
  });
  await stage.tell('the other database', async () => {
    const other = new Redis(stage.url, { db: 3 });
    const keys = (await other.keys('*')).sort();
    await other.flushdb();
    await other.quit();
    return keys;
  });
  await stage.tell('a prefix in braces', async () => {
    const queue = await stage.opened(
      new Queue('braces', { connection: stage.connection(), prefix: `{${stage.prefix}}` }),
    );
    await queue.add('job', {});
    const counts = await queue.getJobCounts();
    await queue.obliterate({ force: true });
    return counts;
  });
  await shared.quit();
}
