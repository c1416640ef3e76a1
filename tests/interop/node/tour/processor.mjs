// The processor that chapters/sandbox.mjs runs in a process and in a thread of its own.

export default async function process_(job) {
  await job.log('from the sandbox');
  await job.updateProgress(50);
  if (job.data.fail) throw new Error('failed in the sandbox');
  await job.updateData({ ...job.data, seen: true });
  return { doubled: job.data.n * 2, id: job.id, name: job.name };
}
