// Processors in a file: run in a process and in a thread of their own.

import { fileURLToPath, pathToFileURL } from 'node:url';

import { shown } from '../job.mjs';

const FILE = fileURLToPath(new URL('../processor.mjs', import.meta.url));

export async function play(stage) {
  const queue = await stage.queue('files');
  const kinds = { 'a process': [FILE, {}], 'a thread': [pathToFileURL(FILE), { useWorkerThreads: true }] };
  for (const [label, [file, options]] of Object.entries(kinds)) {
    await queue.add('good', { n: 21 });
    await queue.add('bad', { fail: true });
    await stage.working(`in ${label}`, 'files', file, options);
  }
  await stage.tell('the jobs', async () => {
    const jobs = [];
    for (const id of ['1', '2', '3', '4'])
      jobs.push([shown(await queue.getJob(id)), await queue.getJobLogs(id)]);
    return jobs;
  });
  await stage.tell('a file that is not there', () => stage.worker('files', '/nowhere/processor.mjs'));
  await stage.dump('keys of files');
}
