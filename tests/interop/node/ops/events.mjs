// Commands that read a queue's event stream through BullMQ's QueueEvents.
//
// After `queueEvents.start` every entry is reported as {"event":"queueEvents","reader":…,"queue":…,
// "kind":"completed","entry":"<stream id>","fields":{…}}. Reading starts at what is the end of the stream when
// the command is taken, or after "from" if given ("0" replays everything): nothing written after the answer
// is missed.

import { QueueEvents } from 'bullmq';

import { need } from '../resources.mjs';

export const operations = {
  'queueEvents.start': async (command, resources) => {
    const handle = need(command, 'reader');
    if (resources.readers.has(handle)) {
      throw new Error(`reader ${handle} is already running`);
    }
    const queue = need(command, 'queue');
    const lastEventId = command.from ?? (await endOfStream(command, resources));
    const reader = new ForwardingEvents(queue, { ...resources.options(command), lastEventId });
    reader.forward = (entry) => resources.notify('queueEvents', { reader: handle, queue, ...entry });
    resources.watch(reader, `queueEvents ${handle}`);
    resources.readers.set(handle, reader);
    await reader.waitUntilReady();
  },
  'queueEvents.stop': async (command, resources) => {
    const reader = resources.readers.get(need(command, 'reader'));
    if (!reader) {
      throw new Error(`reader ${command.reader} is not running`);
    }
    resources.readers.delete(command.reader);
    await reader.close();
  },
};

// BullMQ's own default, "$", means the end at the first read, which may come later than the answer.
async function endOfStream({ prefix = 'bull', queue }, resources) {
  const [newest] = await resources.client().xrevrange(`${prefix}:${queue}:events`, '+', '-', 'COUNT', 1);
  return newest ? newest[0] : '0';
}

// Overriding `emit` rather than listening by name shows kinds BullMQ does not know, too.
class ForwardingEvents extends QueueEvents {
  emit(kind, ...values) {
    // Kinds without fields (`drained`) come with their entry alone.
    const [fields, entry] = values.length === 1 ? [{}, ...values] : values;
    if (isStreamEntry(entry) && !isPerJobEcho(kind, fields)) {
      this.forward?.({ kind, entry, fields });
    }
    return super.emit(kind, ...values);
  }
}

function isStreamEntry(entry) {
  return typeof entry === 'string' && /^\d+-\d+$/.test(entry);
}

// BullMQ repeats every event of a job as `<kind>:<job id>`, for those who wait for one job.
function isPerJobEcho(kind, fields) {
  return fields?.jobId !== undefined && kind.endsWith(`:${fields.jobId}`);
}
