// A job as BullMQ reads it, field by field; what is missing is left out.

const FIELDS = [
  'id',
  'name',
  'data',
  'opts',
  'timestamp',
  'delay',
  'priority',
  'attemptsMade',
  'attemptsStarted',
  'stalledCounter',
  'processedOn',
  'processedBy',
  'finishedOn',
  'progress',
  'returnvalue',
  'failedReason',
  'stacktrace',
  'deferredFailure',
  'deduplicationId',
  'debounceId',
  'repeatJobKey',
  'parentKey',
  'parent',
  'queueQualifiedName',
  'nextRepeatableJobId',
];

export function shown(job) {
  if (!job) return null;
  return Object.fromEntries(
    FIELDS.filter((field) => job[field] !== undefined).map((field) => [field, job[field]]),
  );
}

export function ids(jobs) {
  return jobs.map((job) => job?.id ?? null);
}

/** A tree as FlowProducer answers it. */
export function tree(node) {
  if (!node) return null;
  const { job, children } = node;
  const below = children?.map(tree).sort((left, right) => (left.name < right.name ? -1 : 1));
  return {
    name: job.name,
    id: job.id,
    queue: job.queueName,
    opts: job.opts,
    parent: job.parent,
    children: below,
  };
}
