// Repeatable jobs as they were before job schedulers; from version 6 on they are refused.

import { listen } from '../stage.mjs';
import { ids, shown } from '../job.mjs';

const THEN = 2_000_000_000_000;

export async function play(stage) {
  const queue = await stage.queue('habits');
  const add = (label, name, repeat, opts = {}) =>
    stage.tell(label, async () => shown(await queue.add(name, { name }, { repeat, ...opts })));
  await add('by pattern', 'yearly', { pattern: '0 0 0 1 1 *' });
  if (stage.major >= 6) return;
  await add('the same again', 'yearly', { pattern: '0 0 0 1 1 *' });
  await add('with an id', 'named', { pattern: '0 0 0 1 1 *', tz: 'Asia/Tokyo' }, { jobId: 'mine' });
  await add('with a key', 'keyed', { pattern: '0 0 0 1 1 *', key: 'my-key', limit: 3 });
  await add('until a date', 'ending', { pattern: '0 0 0 1 1 *', endDate: THEN });
  await add('refused: both rhythms', 'bad', { every: 5, pattern: '* * * * *' });
  await add('refused: over', 'bad', { every: 5, endDate: 1_000 });
  await stage.tell('all', () => queue.getRepeatableJobs());
  await stage.tell('some', async () => (await queue.getRepeatableJobs(0, 1, true)).map(({ name }) => name));
  await stage.tell('their jobs', async () => [
    ids(await queue.getDelayed()).sort(),
    await queue.getJobCounts(),
  ]);
  await stage.dump('keys of habits', 'habits');
  await stage.tell('removed by what it is', async () => [
    await queue.removeRepeatable('yearly', { pattern: '0 0 0 1 1 *' }),
    await queue.removeRepeatable('yearly', { pattern: '0 0 0 1 1 *' }),
    await queue.removeRepeatable('named', { pattern: '0 0 0 1 1 *', tz: 'Asia/Tokyo' }, 'mine'),
  ]);
  await stage.tell('removed by key', async () => [
    await queue.removeRepeatableByKey('my-key'),
    await queue.removeRepeatableByKey('my-key'),
  ]);
  await stage.dump('keys after removal', 'habits');

  const quick = await stage.queue('quick');
  await quick.add('tick', { n: 1 }, { repeat: { every: 25, limit: 3 } });
  const worker = await stage.worker('quick', async (job) => job.opts.repeat.count);
  const said = listen(worker);
  worker.run();
  await stage.until('three ran', async () => said.filter(([kind]) => kind === 'completed').length === 3);
  await stage.idle('quick');
  await worker.close();
  stage.note(
    'three times',
    said.map(([kind, , value]) => [kind, value]),
  );
  await stage.tell('after its limit', async () => [
    await quick.getJobCounts(),
    (await quick.getRepeatableJobs()).length,
  ]);
}
