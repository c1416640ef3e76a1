// Two queues, and what a parent knows of its children: for the chapters about flows.

export const HOUR = 60 * 60_000;
export const UPPER = 'upper';
export const LOWER = 'lower';

export const child = (jobId, opts = {}) => ({
  name: jobId,
  queueName: LOWER,
  data: { of: jobId },
  opts: { jobId, ...opts },
});

export async function dependencies(job) {
  const found = await job.getDependencies();
  found.unprocessed?.sort();
  found.failed?.sort();
  return {
    found,
    counts: await job.getDependenciesCount(),
    some: await job.getDependenciesCount({ processed: true }),
  };
}

export function page({ items, jobs, total }) {
  const byId = (a, b) => (a.id < b.id ? -1 : 1);
  return { items: items.sort(byId), jobs: jobs.sort(byId).map(({ id, name }) => [id, name]), total };
}
