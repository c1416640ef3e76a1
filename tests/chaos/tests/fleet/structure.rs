//! What must hold in a queue's keys at any moment, whoever was killed: a step of a job is there whole or not at all.

use std::collections::BTreeSet;

use redis::Cmd;

use crate::scene::Fleet;

/// Every job is in one line, list or set and has a hash; every hash of a job is in one of them. One script, so that
/// nobody changes anything meanwhile.
const CHECK: &str = r"
local queue, places, faults = ARGV[1], {}, {}
local function place(id, where)
  if places[id] then faults[#faults + 1] = id .. ' is in ' .. places[id] .. ' and in ' .. where end
  places[id] = where
end
for _, line in ipairs({'wait', 'paused', 'active'}) do
  for _, id in ipairs(redis.call('LRANGE', queue .. line, 0, -1)) do place(id, line) end
end
for _, set in ipairs({'prioritized', 'delayed', 'completed', 'failed', 'waiting-children'}) do
  for _, id in ipairs(redis.call('ZRANGE', queue .. set, 0, -1)) do place(id, set) end
end
for id, where in pairs(places) do
  if redis.call('EXISTS', queue .. id) == 0 then faults[#faults + 1] = id .. ' is in ' .. where .. ' and has no hash' end
end
for _, key in ipairs(redis.call('KEYS', queue .. '*')) do
  local id = string.sub(key, #queue + 1)
  local is_job = id ~= 'meta' and not string.find(id, ':', 1, true) and redis.call('TYPE', key).ok == 'hash'
  if is_job and not places[id] then faults[#faults + 1] = id .. ' has a hash and is nowhere' end
end
return faults";

impl Fleet {
    /// Fails when a job of the queue is half written.
    pub(crate) async fn assert_whole(&self, queue: &str) {
        let mut check = Cmd::new();
        check.arg("EVAL").arg(CHECK).arg(0).arg(format!("bull:{queue}:"));
        let faults: Vec<String> = self.ask(&check).await;
        assert!(faults.is_empty(), "queue {queue}: {faults:#?}");
    }

    /// The ids of completed jobs, after checking that every job of the queue is one or failed because whoever ran it was
    /// killed again and again, which is where webhooks have their limit.
    pub(crate) async fn all_completed(&self, queue: &str) -> BTreeSet<String> {
        self.assert_whole(queue).await;
        for set in ["wait", "active", "prioritized", "delayed"] {
            let mut exists = Cmd::new();
            exists.arg("EXISTS").arg(format!("bull:{queue}:{set}"));
            assert!(!self.ask::<bool>(&exists).await, "jobs are {set} in {queue}");
        }
        let mut locks = Cmd::new();
        locks.arg("KEYS").arg(format!("bull:{queue}:*:lock"));
        assert_eq!(self.ask::<Vec<String>>(&locks).await, Vec::<String>::new());
        for id in self.failed(queue).await {
            let mut reason = Cmd::new();
            reason
                .arg("HGET")
                .arg(format!("bull:{queue}:{id}"))
                .arg("failedReason");
            let reason: String = self.ask(&reason).await;
            assert_eq!(
                reason, "job stalled more than allowable limit",
                "job {id} of {queue}"
            );
        }
        let mut range = Cmd::new();
        range
            .arg("ZRANGE")
            .arg(format!("bull:{queue}:completed"))
            .arg(0)
            .arg(-1);
        self.ask(&range).await
    }

    /// The ids of failed jobs.
    pub(crate) async fn failed(&self, queue: &str) -> BTreeSet<String> {
        let mut range = Cmd::new();
        range
            .arg("ZRANGE")
            .arg(format!("bull:{queue}:failed"))
            .arg(0)
            .arg(-1);
        self.ask(&range).await
    }

    /// How many jobs are in one of the queue's lists or sets.
    pub(crate) async fn count(&self, queue: &str, state: &str) -> u64 {
        let mut count = Cmd::new();
        let is_set = matches!(state, "completed" | "failed" | "delayed" | "prioritized");
        count.arg(if is_set { "ZCARD" } else { "LLEN" });
        self.ask(count.arg(format!("bull:{queue}:{state}"))).await
    }
}
